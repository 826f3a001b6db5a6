/**
 * Who waits on whom while instances are executed, as a forest: a node's parent is what it waits on, and a
 * tree's root is what the whole tree waits for. The executor asks one question of it, "what does this
 * instance wait for in the end?", while trees are joined, and fall apart again from the root.
 *
 * It is a link-cut forest (Sleator and Tarjan, 1983): each tree is cut into paths, each path is kept as a
 * splay tree ordered by depth, and the top of a splay tree points to the node above its path. Every
 * operation takes O(log n) amortised, however long the chains are. Following the parents one by one, with
 * hints to skip some, would not do: each execution takes a root away, and every hint to it with it.
 */
import { assert } from '../../util/assert.ts';
import type { InstanceKey } from '../model/types.ts';

/** No node; no instance has this key. */
const NONE = 0;

/** Keys instead of references, so that the forest is plain data and can be copied. */
interface ForestNode {
  /** In the splay tree; for its top, the node above the whole path. */
  up: InstanceKey;
  /** Nodes nearer to the root. */
  left: InstanceKey;
  /** Nodes farther from the root. */
  right: InstanceKey;
}

export class WaitingForest {
  /** A node without an entry is a tree of its own. */
  readonly nodes = new Map<InstanceKey, ForestNode>();

  /** The root of the tree that `key` is in. */
  root(key: InstanceKey): InstanceKey {
    if (!this.nodes.has(key)) return key;
    this.expose(key);
    let root = key;
    for (let left = this.node(root).left; left !== NONE; left = this.node(root).left) root = left;
    this.splay(root);
    return root;
  }

  /** Makes `child`, the root of one tree, wait on `parent`, a node of another. */
  link(child: InstanceKey, parent: InstanceKey): void {
    this.add(child);
    this.add(parent);
    this.splay(child);
    // The weights that bound the cost grow at the parent's top only, not along its way up.
    this.expose(parent);
    const node = this.node(child);
    assert(node.up === NONE && node.left === NONE, 'only the root of another tree can begin to wait');
    node.up = parent;
  }

  /** Makes `key`, which waits on something, the root of a tree of its own, with all that waits on it. */
  cut(key: InstanceKey): void {
    this.expose(key);
    const node = this.node(key);
    assert(node.left !== NONE, 'only what waits can stop waiting');
    this.node(node.left).up = NONE;
    node.left = NONE;
  }

  /** Forgets a node; those of a tree must be forgotten together, for the others may point to it. */
  delete(key: InstanceKey): void {
    this.nodes.delete(key);
  }

  private node(key: InstanceKey): ForestNode {
    const node = this.nodes.get(key);
    assert(node !== undefined, `no node ${key} in the waiting forest`);
    return node;
  }

  private add(key: InstanceKey): void {
    if (!this.nodes.has(key)) this.nodes.set(key, { up: NONE, left: NONE, right: NONE });
  }

  /** Makes the way from the root to `key` one path, with `key` its last node and the top of its splay tree. */
  private expose(key: InstanceKey): void {
    let below = NONE;
    for (let at = key; at !== NONE; at = this.node(at).up) {
      this.splay(at);
      this.node(at).right = below;
      below = at;
    }
    this.splay(key);
  }

  /** Rotates `key` to the top of its splay tree. */
  private splay(key: InstanceKey): void {
    while (!this.isTop(key)) {
      const up = this.node(key).up;
      if (!this.isTop(up)) this.rotate(this.isLeft(key) === this.isLeft(up) ? up : key);
      this.rotate(key);
    }
  }

  private isTop(key: InstanceKey): boolean {
    const { up } = this.node(key);
    if (up === NONE) return true;
    const { left, right } = this.node(up);
    return left !== key && right !== key;
  }

  private isLeft(key: InstanceKey): boolean {
    return this.node(this.node(key).up).left === key;
  }

  /** Puts `key` in the place of the node above it, keeping the order. */
  private rotate(key: InstanceKey): void {
    const node = this.node(key);
    const down = node.up;
    const lowered = this.node(down);
    const wasTop = this.isTop(down);
    const inner = lowered.left === key ? node.right : node.left;
    if (lowered.left === key) {
      lowered.left = inner;
      node.right = down;
    } else {
      lowered.right = inner;
      node.left = down;
    }
    if (inner !== NONE) this.node(inner).up = down;
    node.up = lowered.up;
    lowered.up = key;
    if (wasTop) return;
    const above = this.node(node.up);
    if (above.left === down) above.left = key;
    else above.right = key;
  }
}
