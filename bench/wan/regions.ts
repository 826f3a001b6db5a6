/** Where the replicas and their clients are, and how long a message and its answer take between two places. */
import { quorumsOf } from '../../src/epaxos/index.ts';
import { assert } from '../../src/util/assert.ts';

/** Five regions of a public cloud, in the order of the replicas' ids. */
export const REGIONS = ['CA', 'VA', 'IR', 'OR', 'JP'] as const;
export type Region = (typeof REGIONS)[number];

/** Milliseconds there and back, as used across the literature on EPaxos; in a region, between a client and its replica. */
const ROUND_TRIPS_MS = [
  [0.2, 72, 151, 59, 113],
  [72, 0.2, 88, 93, 162],
  [151, 88, 0.2, 145, 220],
  [59, 93, 145, 0.2, 121],
  [113, 162, 220, 121, 0.2],
] as const;

/** How many regions take part: the first three, or all five. */
export type SiteCount = 3 | 5;
export const SITE_COUNTS: readonly SiteCount[] = [3, 5];

export function regionsOf(sites: SiteCount): readonly Region[] {
  return REGIONS.slice(0, sites);
}

/** @param from, to indices into {@link REGIONS} */
export function roundTripMs(from: number, to: number): number {
  const value = ROUND_TRIPS_MS[from]?.[to];
  assert(value !== undefined, 'a region of the matrix');
  return value;
}

/** The round trip to the member that completes a quorum of `size` around a region, itself included. */
export function quorumRoundTripMs(sites: SiteCount, options: { at: number; size: number }): number {
  const others = regionsOf(sites)
    .map((_, index) => index)
    .filter((index) => index !== options.at)
    .map((index) => roundTripMs(options.at, index))
    .sort((a, b) => a - b);
  return others[options.size - 2] ?? 0;
}

/** The least time in which anything can commit by the fast path at a region: network only, no disk, no client. */
export function idealMs(sites: SiteCount, at: number): number {
  return quorumRoundTripMs(sites, { at, size: quorumsOf(sites).fast });
}
