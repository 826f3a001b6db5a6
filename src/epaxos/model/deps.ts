/**
 * Dependency vectors (R2.2, R2.6): one slot a replica, and all slots up to it are meant. Vectors are
 * never changed once made.
 */
import type { Attributes, Deps, InstanceId, Slot } from './types.ts';

export function noDeps(replicas: number): Deps {
  return new Array<number>(replicas).fill(0);
}

/** The elementwise maximum. */
export function mergeDeps(left: Deps, right: Deps): Deps {
  return left.map((slot, index) => Math.max(slot, right[index] ?? 0));
}

/** The same, into a vector that its owner is still making. */
export function raiseDeps(deps: Slot[], other: Deps): void {
  for (let rowIndex = 0; rowIndex < deps.length; rowIndex += 1) {
    const slot = other[rowIndex] ?? 0;
    if (slot > (deps[rowIndex] ?? 0)) deps[rowIndex] = slot;
  }
}

/** The elementwise minimum. */
export function meetDeps(left: Deps, right: Deps): Deps {
  return left.map((slot, index) => Math.min(slot, right[index] ?? 0));
}

export function equalDeps(left: Deps, right: Deps): boolean {
  return left.length === right.length && left.every((slot, index) => slot === right[index]);
}

/** True if `id` is in `deps`. */
export function includesInstance(deps: Deps, id: InstanceId): boolean {
  return id.slot <= (deps[id.replica - 1] ?? 0);
}

/** Merging attributes: the maximum of deps and of seq (R2.6). */
export function mergeAttributes(left: Attributes, right: Attributes): Attributes {
  return { seq: Math.max(left.seq, right.seq), deps: mergeDeps(left.deps, right.deps) };
}

/** The attributes of a no-op: it interferes with nothing, so it depends on nothing. */
export function noOpAttributes(replicas: number): Attributes {
  return { seq: 0, deps: noDeps(replicas) };
}

/** True if `deps` reaches `other` in every row. */
export function covers(deps: Deps, other: Deps): boolean {
  return other.every((slot, rowIndex) => (deps[rowIndex] ?? 0) >= slot);
}
