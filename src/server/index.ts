/** A replica's server: configuration, services, composition. The folder's only door. */
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
export { type RunningServer, type ServerParts, STOP_LIMITS, startServer } from './server.ts';
