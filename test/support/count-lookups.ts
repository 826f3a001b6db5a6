/** Counts how often anything is looked up in a Map, so that a loop over a range of slots fails instead of running for ever. */
export interface Lookups {
  /** From now on more than so many lookups throw. */
  start(most: number): void;
  stop(): void;
}

export function countLookups(): Lookups {
  const { get } = Map.prototype;
  return {
    start(most) {
      let count = 0;
      Map.prototype.get = function counted(this: Map<unknown, unknown>, key: unknown) {
        count += 1;
        if (count > most) {
          Map.prototype.get = get;
          throw new Error(`more than ${most} lookups`);
        }
        return get.call(this, key);
      };
    },
    stop() {
      Map.prototype.get = get;
    },
  };
}
