/** Measures work without a clock: counts how often a map is read from now on. */
export function countReads(map: Map<number, unknown>): () => number {
  let reads = 0;
  const get = map.get.bind(map);
  map.get = (key) => {
    reads += 1;
    return get(key);
  };
  return () => reads;
}
