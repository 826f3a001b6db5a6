/** Looks through the store for damage, slowly and for ever (R6.14), while a replica runs. */
import { SLICE_LIMITS, type Storage } from '../storage/index.ts';
import type { Logger } from './logger.ts';

export interface ScrubLimits {
  /** Between two slices, in milliseconds; longer behind a large one, as {@link SLICE_LIMITS} has it. */
  readonly sliceMs: number;
  /** Between two passes, in milliseconds. */
  readonly passMs: number;
}

/** Some 200 entries a second and half a MiB: a quarter of a percent of a processor. */
export const SCRUB_LIMITS: ScrubLimits = { sliceMs: 500, passMs: 60_000 };

export class Scrubber {
  readonly #storage: Pick<Storage, 'scrub'>;
  readonly #limits: ScrubLimits;
  readonly #logger: Pick<Logger, 'debug'>;
  readonly #ended: Promise<void>;
  #isStopping = false;
  /** Ends the pause that there is. */
  #wake: () => void = () => {};

  /**
   * Begins at once.
   * @param options `onDamage`: told once, when the store cannot be relied on; nothing is looked at behind that
   */
  constructor(options: {
    readonly storage: Pick<Storage, 'scrub'>;
    readonly limits: ScrubLimits;
    readonly logger: Pick<Logger, 'debug'>;
    readonly onDamage: (error: Error) => void;
  }) {
    this.#storage = options.storage;
    this.#limits = options.limits;
    this.#logger = options.logger;
    this.#ended = this.#run().catch((error: unknown) => {
      options.onDamage(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** Resolves when nothing of the store is being read any more. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { sliceMs, passMs } = this.#limits;
    for (;;) {
      let entries = 0;
      let bytes = 0;
      const begunMs = performance.now();
      for await (const slice of this.#storage.scrub()) {
        entries += slice.entries;
        bytes += slice.bytes;
        await this.#pause(sliceMs * Math.max(1, slice.bytes / SLICE_LIMITS.bytes));
        if (this.#isStopping) return;
      }
      const seconds = Math.round((performance.now() - begunMs) / 1000);
      this.#logger.debug({ entries, bytes, seconds }, 'looked through the store: no damage');
      await this.#pause(passMs);
      if (this.#isStopping) return;
    }
  }

  async #pause(durationMs: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, durationMs).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
