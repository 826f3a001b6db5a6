/** A replica's server: configuration, the loop, the services. The folder's only door. */
export { type Clock, systemClock } from './clock.ts';
export {
  CONFIG_FILE,
  type ConfigKey,
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
  type Origin,
  SETTINGS,
  type ServerConfig,
  type Setting,
} from './config.ts';
export { createLogger, LOG_LEVELS, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { Node } from './node.ts';
export type { Core, NodeOptions, NodeStatus, Restored } from './node-options.ts';
export { type RunningServer, type ServerParts, STOP_LIMITS, startServer } from './server.ts';
export { HEALTH_SERVICES } from './services.ts';
