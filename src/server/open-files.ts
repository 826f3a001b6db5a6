/** How many files a replica may have open: its connections must leave enough for its store. */
import { KvError } from '../errors.ts';
import { CONNECTION_LIMITS } from '../wire/index.ts';

/** Files that LevelDB keeps open at the most, by its own default. */
const STORE_FILES = 1000;
/** Connections to peers, logs, and what Node.js itself has open. */
const OTHER_FILES = 100;

/** What the system must allow one replica: file descriptors. */
export const FILES_NEEDED = CONNECTION_LIMITS.connections + STORE_FILES + OTHER_FILES;

/**
 * @param allowed file descriptors that the process may have
 * @throws KvError badConfiguration if they are too few
 */
export function requireOpenFiles(allowed = openFilesAllowed()): void {
  if (allowed >= FILES_NEEDED) return;
  throw new KvError(
    'badConfiguration',
    `this process may have ${allowed} files open, and a replica needs ${FILES_NEEDED}: raise the limit ` +
      `(ulimit -n ${FILES_NEEDED}; LimitNOFILE=${FILES_NEEDED} for systemd; --ulimit nofile=${FILES_NEEDED} for Docker)`,
  );
}

/** The limit of the system; Node.js has raised its own to the hard one. Infinite where there is none. */
function openFilesAllowed(): number {
  const report = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: number | 'unlimited' } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}
