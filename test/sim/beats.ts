/** The timer of a simulated loop: it beats for every tick, or at rest for many (src/node/gait.ts). */
import type { Replica } from '../../src/epaxos/index.ts';
import { Gait } from '../../src/node/gait.ts';
import type { Surroundings } from './simulated-replica.ts';

export class Beats {
  readonly #world: Surroundings;
  readonly #gait: Gait;
  #sinceLast = 0;
  /** True if there was a beat that no turn has taken yet. */
  isWaiting = false;
  /** Whether the turn that is under way took one. */
  #isTaken = false;

  constructor(world: Surroundings) {
    this.#world = world;
    this.#gait = new Gait(world.options.gait);
  }

  /** The time of one tick has passed. @returns whether that makes a beat */
  pass(): boolean {
    this.#sinceLast += 1;
    if (this.#sinceLast < this.#gait.ticks) return false;
    this.#sinceLast = 0;
    this.isWaiting = true;
    return true;
  }

  /** A turn begins: it takes the beat, and makes up for the ticks before it. @returns whether there was a beat */
  take(core: Replica): boolean {
    this.#isTaken = this.isWaiting;
    this.isWaiting = false;
    if (!this.#isTaken) return false;
    for (let slept = 1; slept < this.#gait.ticks; slept += 1) {
      core.tick();
      this.#world.statistics.ticksSlept += 1;
    }
    return true;
  }

  /** The turn is over. */
  turned(core: Replica): void {
    if (this.#gait.turned({ ticked: this.#isTaken, isQuiet: core.isAtRest() })) this.#sinceLast = 0;
  }
}
