/** Where the ids of one client's requests come from (R7.12): what it counts, and the newest generation it has heard of. */
export class RequestIds {
  #sequence = 0;
  #generation = 0;

  /** The newest generation that any replica has told; 0: none has told one yet. */
  get generation(): number {
    return this.#generation;
  }

  /** The number of the next request. */
  next(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** A replica has told its present generation. One that is behind tells an older one than another has told. */
  learn(generation: number): void {
    if (generation > this.#generation) this.#generation = generation;
  }
}
