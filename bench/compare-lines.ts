/** The lines of the comparison: what is run on each side, and what makes the ratio. */
import type { KeyOptions } from '../src/load/index.ts';
import type { Figures, Run } from './measure.ts';
import type { RunningReplicas, RunningStore } from './stores.ts';

/** What can be changed about all lines at once. */
export interface LineSettings {
  /** Clients of the library, and operations that each has under way. */
  readonly clients: number;
  readonly depth: number;
  /** Unary calls under way: whoever is measured with these has the best of them. */
  readonly concurrency: readonly number[];
  readonly keys: number;
}

/** What is running. */
export interface Stores {
  readonly three: RunningReplicas;
  /** Null unless a line needs them. */
  readonly five: RunningReplicas | null;
  /** Null if it is not installed. */
  readonly etcd: RunningStore | null;
}

export interface Line {
  readonly name: string;
  readonly title: string;
  readonly unit: 'a second' | 'ms';
  /** What the ratio must reach at least, or keep to at most. */
  readonly bar: { readonly atLeast: number } | { readonly atMost: number };
  /** Whether it needs the five replicas. */
  readonly needsFive?: boolean;
  /** What is compared, in the order of the ratio: the best run of the first over the best run of the second. */
  readonly sides: readonly [first: string, second: string];
  readonly value: (figures: Figures) => number;
  /** The runs of both sides; the second has none if what it needs does not run. */
  readonly runs: (stores: Stores) => readonly [readonly Run[], readonly Run[]];
}

const perSecond = (figures: Figures) => figures.perSecond;

export function linesOf(settings: LineSettings): readonly Line[] {
  const { clients, depth, concurrency, keys } = settings;
  const uniform: KeyOptions = { distribution: 'uniform', keys };

  const pipelined = (store: RunningReplicas, changes: Partial<Run> = {}): Run => ({
    store,
    label: `${clients} clients, depth ${depth}`,
    clients: () => store.library(clients),
    depth,
    keys: uniform,
    readRatio: 0,
    ...changes,
  });
  const unary = (store: RunningStore, outstanding: number, readRatio: number): Run => ({
    store,
    label: `${outstanding} calls under way`,
    clients: () => store.endpoints.map((address) => store.unary(address)),
    depth: Math.max(1, Math.round(outstanding / store.pids.length)),
    keys: uniform,
    readRatio,
  });
  const bestOf = (store: RunningStore | null, readRatio: number): readonly Run[] =>
    store === null ? [] : concurrency.map((outstanding) => unary(store, outstanding, readRatio));
  /** A put at a time, at each of the members in turn. */
  const single = (store: RunningStore): readonly Run[] =>
    store.endpoints.map((address, member) => ({
      store,
      label: `at member ${member + 1}`,
      clients: () => [store.unary(address)],
      depth: 1,
      keys: uniform,
      readRatio: 0,
    }));

  return [
    {
      name: 'pipelined-put',
      title: 'puts, pipelined / etcd at its best',
      unit: 'a second',
      bar: { atLeast: 10 },
      sides: ['3 replicas', 'etcd'],
      value: perSecond,
      runs: ({ three, etcd }) => [[pipelined(three)], bestOf(etcd, 0)],
    },
    {
      name: 'unary-put',
      title: 'puts, one call each, at its best / etcd at its best, the same client',
      unit: 'a second',
      bar: { atLeast: 1.2 },
      sides: ['3 replicas', 'etcd'],
      value: perSecond,
      runs: ({ three, etcd }) => [bestOf(three, 0), bestOf(etcd, 0)],
    },
    {
      name: 'pipelined-get',
      title: 'linearizable gets, pipelined / etcd at its best',
      unit: 'a second',
      bar: { atLeast: 10 },
      sides: ['3 replicas', 'etcd'],
      value: perSecond,
      runs: ({ three, etcd }) => [[pipelined(three, { readRatio: 1 })], bestOf(etcd, 1)],
    },
    {
      name: 'single-put',
      title: 'p50 of a put at a time / etcd',
      unit: 'ms',
      bar: { atMost: 1 },
      sides: ['3 replicas', 'etcd'],
      value: ({ latencyMs }) => latencyMs.p50,
      runs: ({ three, etcd }) => [
        [pipelined(three, { label: 'one client', clients: () => three.library(1), depth: 1 })],
        etcd === null ? [] : single(etcd),
      ],
    },
    {
      name: 'conflict',
      title: 'puts, all on one key / uniform keys',
      unit: 'a second',
      bar: { atLeast: 0.5 },
      sides: ['one key', 'uniform keys'],
      value: perSecond,
      runs: ({ three }) => [
        [pipelined(three, { keys: { distribution: 'uniform', keys: 1 } })],
        [pipelined(three)],
      ],
    },
    {
      name: 'five-replicas',
      title: 'puts, 5 replicas / 3 replicas',
      unit: 'a second',
      bar: { atLeast: 0.5 },
      needsFive: true,
      sides: ['5 replicas', '3 replicas'],
      value: perSecond,
      runs: ({ three, five }) => [five === null ? [] : [pipelined(five)], [pipelined(three)]],
    },
  ];
}
