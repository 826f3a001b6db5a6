/** Batching and holding back: which operations may be proposed now, and together with which (R7.7, R5.8). */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, Proposal } from '../../../src/epaxos/index.ts';
import { get, put } from '../../support/core-operations.ts';
import { ProposerBench } from '../../support/proposer-bench.ts';

describe('batching', () => {
  test('what arrived together goes together', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'), put('b', 'y'), get('c', 'z'));
    expect(bench.turn()).toEqual(['a+b+c']);
    expect(bench.turn()).toEqual([]);
  });

  test.each([
    [3, 3],
    [4, 4],
    [5, 3],
    [8, 2],
    [16, 1],
    [40, 1],
  ])('with instancesPerTurn 4, %i operations of a turn make %i instances', (count, instances) => {
    const bench = new ProposerBench({ instancesPerTurn: 4 });
    bench.add(...Array.from({ length: count }, (_, number) => put(`${number}`, `key ${number}`)));
    const sizes = bench.turn().map((names) => names.split('+').length);
    expect(sizes).toHaveLength(instances);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(Math.ceil(count / instances) - 1);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(count);
  });

  test('operations on one key share an instance, in order of arrival, whatever stands between them', () => {
    const bench = new ProposerBench({ instancesPerTurn: 16 });
    bench.add(put('a', 'x'), put('b', 'y'), put('c', 'x'), get('d', 'y'));
    expect(bench.turn()).toEqual(['a+c', 'b+d']);
  });

  test('what has waited for another core waits here as if it were new', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'));
    expect(bench.turn()).toEqual(['a']);
    const proposal = new Proposal(put('b', 'x'));
    proposal.hasWaited = true;
    expect(bench.proposer.add(proposal)).toBe(true);
    expect(bench.turn()).toEqual([]);
    bench.close(1);
    expect(bench.turn()).toEqual(['b']);
  });

  test('while many are under way, what arrives gathers until it is half as many, or for two ticks', () => {
    const bench = new ProposerBench({ eagerOperations: 3 });
    const add = (...labels: string[]) => bench.add(...labels.map((label) => put(label, `key ${label}`)));
    add('a', 'b');
    expect(bench.turn()).toEqual(['a+b']);
    add('c', 'd');
    expect(bench.turn()).toEqual(['c+d']); // only two were under way
    add('e');
    expect(bench.turn()).toEqual([]);
    expect(bench.proposer.hasWork).toBe(false);
    add('f');
    expect(bench.turn()).toEqual(['e+f']);
    add('g');
    bench.proposer.tick();
    expect(bench.turn()).toEqual([]);
    bench.proposer.tick();
    expect(bench.turn()).toEqual(['g']);
    add('h');
    expect(bench.turn()).toEqual([]);
    bench.close(1);
    bench.close(2);
    bench.close(3, 'no-op');
    expect(bench.turn()).toEqual(['e+f+h']); // only one is under way
  });

  test('operationsPerInstance bounds a batch; what does not fit on the same key waits for it', () => {
    const bench = new ProposerBench({ operationsPerInstance: 2 });
    bench.add(put('a', 'x'), put('b', 'x'), put('c', 'x'));
    expect(bench.turn()).toEqual(['a+b']);
    expect(bench.turn()).toEqual([]);
    bench.close(1);
    expect(bench.turn()).toEqual(['c']);
  });

  test('bytesPerInstance bounds a batch, but one large operation goes alone', () => {
    const bench = new ProposerBench({ bytesPerInstance: 4 });
    bench.add(put('aa', 'v'), put('bb', 'w'), put('cc', 'x'), put('dddddd', 'y'), put('e', 'z'));
    expect(bench.turn()).toEqual(['aa+bb', 'cc', 'dddddd', 'e']);
  });

  test('an operation that joins two batches of a turn waits for them', () => {
    const bench = new ProposerBench({ instancesPerTurn: 16 });
    bench.add(put('a', 'x'), put('b', 'y'), put('both', 'x', 'y'));
    expect(bench.turn()).toEqual(['a', 'b']);
    bench.close(1);
    expect(bench.turn()).toEqual(['both']);
  });

  test('an operation on several keys waits once: it is not starved by keys that are never free together', () => {
    const bench = new ProposerBench();
    bench.add(put('x1', 'x'));
    expect(bench.turn()).toEqual(['x1']);
    bench.add(put('y1', 'y'), put('both', 'x', 'y'), put('x2', 'x'));
    expect(bench.turn()).toEqual(['y1']);
    bench.close(1);
    expect(bench.turn()).toEqual(['both+x2']);
  });
});

describe('R7.7: as many open instances a key as interferingInstances says', () => {
  test('two by default: what comes after them is held until one of them is executed', () => {
    const bench = new ProposerBench({ interferingInstances: DEFAULT_LIMITS.interferingInstances });
    bench.add(put('a', 'x'));
    expect(bench.turn()).toEqual(['a']);
    bench.add(put('b', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.proposer.tick();
    expect(bench.turn()).toEqual(['b']);
    bench.add(put('c', 'x'), put('d', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.proposer.tick();
    expect(bench.turn()).toEqual([]);
    bench.close(2);
    expect(bench.turn()).toEqual(['c+d']);
  });

  test('beside an open instance another one is opened at ticks only, with what has gathered by then', () => {
    const bench = new ProposerBench({ interferingInstances: 2 });
    bench.add(put('a', 'x'));
    expect(bench.turn()).toEqual(['a']);
    bench.add(put('b', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.add(put('c', 'x'), put('other', 'y'));
    expect(bench.turn()).toEqual(['other']);
    bench.proposer.tick();
    expect(bench.turn()).toEqual(['b+c']);
  });

  test('a tick at which nothing waits allows nothing to what comes later', () => {
    const bench = new ProposerBench({ interferingInstances: 2 });
    bench.add(put('a', 'x'));
    bench.turn();
    bench.proposer.tick();
    bench.add(put('b', 'x'));
    expect(bench.turn()).toEqual([]);
  });

  test('only what interferes with the operation counts', () => {
    const bench = new ProposerBench({ interferingInstances: 2 });
    for (const label of ['r1', 'r2', 'r3']) {
      bench.add(get(label, 'x'));
      expect(bench.turn()).toEqual([label]);
    }
    bench.add(put('w', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.proposer.tick();
    expect(bench.turn()).toEqual(['w']);
    bench.add(get('r4', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.proposer.tick();
    expect(bench.turn()).toEqual(['r4']);
  });
});

describe('R7.7: one open instance a key', () => {
  test('what arrives for a key with an open instance is held, and proposed together next', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'));
    expect(bench.turn()).toEqual(['a']);
    bench.add(put('b', 'x'), put('c', 'x'), put('other', 'y'));
    expect(bench.turn()).toEqual(['other']);
    expect(bench.proposer.waitingOperations).toBe(2);
    bench.close(1);
    expect(bench.turn()).toEqual(['b+c']);
    expect(bench.proposer.waitingOperations).toBe(0);
  });

  test('open reads do not hold reads, but they hold a write; an open write holds everything', () => {
    const bench = new ProposerBench();
    bench.add(get('r1', 'x'));
    expect(bench.turn()).toEqual(['r1']);
    bench.add(get('r2', 'x'));
    expect(bench.turn()).toEqual(['r2']);
    bench.add(put('w', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.close(1);
    expect(bench.turn()).toEqual(['w']);
    bench.add(get('r3', 'x'));
    expect(bench.turn()).toEqual([]);
    bench.close(3);
    expect(bench.turn()).toEqual(['r3']);
  });

  test('a stream of reads does not starve a write: a read behind a held write waits with it', () => {
    const bench = new ProposerBench();
    bench.add(get('r0', 'x'));
    bench.turn();
    bench.add(put('w', 'x'));
    let openReads = 1;
    for (let turn = 1; turn <= 20 && !bench.proposed.includes('w'); turn += 1) {
      bench.add(get(`r${turn}`, 'x'));
      bench.turn();
      // Reads that were let through overlap, so that some read is open all the time.
      if (openReads < turn) bench.close(openReads);
      openReads += 1;
      if (bench.open.size === 0) bench.turn();
      if (turn === 2) bench.close(1);
    }
    expect(bench.proposed).toContain('w');
    expect(bench.proposed.indexOf('w')).toBe(1);
  });

  test('an operation on several keys waits for the first of them that is not free, and for no other', () => {
    const bench = new ProposerBench({ instancesPerTurn: 16 });
    bench.add(put('a', 'x'), put('b', 'y'));
    bench.turn();
    bench.add(put('both', 'x', 'y'));
    expect(bench.turn()).toEqual([]);
    bench.close(2);
    expect(bench.turn()).toEqual([]);
    bench.close(1);
    expect(bench.turn()).toEqual(['both']);
  });

  test('openInstances bounds what is on its way; the rest goes on when one closes', () => {
    const bench = new ProposerBench({ instancesPerTurn: 16, openInstances: 2 });
    bench.add(put('a', 'x'), put('b', 'y'), put('c', 'z'));
    expect(bench.turn()).toEqual(['a', 'b']);
    expect(bench.proposer.hasWork).toBe(false);
    expect(bench.turn()).toEqual([]);
    bench.close(2);
    expect(bench.proposer.hasWork).toBe(true);
    expect(bench.turn()).toEqual(['c']);
  });
});

describe('limits and withdrawal', () => {
  test('heldOperations: over it an operation is refused, and nothing is done', () => {
    const bench = new ProposerBench({ heldOperations: 2 });
    bench.add(put('a', 'x'), put('b', 'y'));
    const refused = put('c', 'z');
    expect(bench.offer(refused)).toBeNull();
    expect(bench.proposer.waitingOperations).toBe(2);
    expect(bench.turn()).toEqual(['a+b']);
    bench.add(refused);
  });

  test('heldBytes: over it an operation is refused; proposing makes room', () => {
    const bench = new ProposerBench({ heldBytes: 5 });
    bench.add(put('aaa', 'x'));
    expect(bench.offer(put('bbb', 'y'))).toBeNull();
    bench.add(put('cc', 'y'));
    bench.turn();
    expect(bench.proposer.heldBytes).toBe(0);
    bench.add(put('bbbbb', 'z'));
  });

  test('an operation that is not proposed yet can be withdrawn, and never is', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'));
    const early = bench.addOne(put('early', 'w'));
    expect(bench.proposer.withdraw(early)).toBe(true);
    bench.turn();
    const held = bench.addOne(put('held', 'x'));
    bench.add(put('b', 'x'));
    bench.turn();
    expect(bench.proposer.withdraw(held)).toBe(true);
    bench.close(1);
    bench.turn();
    expect(bench.proposed).toEqual(['a', 'b']);
    expect(bench.proposer.waitingOperations).toBe(0);
    expect(bench.proposer.heldBytes).toBe(0);
  });

  test('one that is in an instance cannot be withdrawn any more', () => {
    const bench = new ProposerBench();
    const proposal = bench.addOne(put('a', 'x'));
    bench.turn();
    expect(bench.proposer.withdraw(proposal)).toBe(false);
  });
});

describe('R5.8: what a no-op displaced', () => {
  test('is proposed again, before what came later', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'), put('b', 'y'));
    bench.turn();
    bench.add(put('later', 'x'));
    bench.turn();
    expect(bench.close(1, 'no-op')).toBe(true);
    expect(bench.turn()).toEqual(['a+b+later']);
  });

  test('is not, if its caller gave up', () => {
    const bench = new ProposerBench();
    const gaveUp = bench.addOne(put('a', 'x'));
    bench.add(put('b', 'y'));
    bench.turn();
    bench.proposer.withdraw(gaveUp);
    expect(bench.close(1, 'no-op')).toBe(true);
    expect(bench.turn()).toEqual(['b']);
    expect(bench.close(2)).toBe(false);
    expect(bench.turn()).toEqual([]);
  });

  test('an executed instance is not proposed again, and closing twice does nothing', () => {
    const bench = new ProposerBench();
    bench.add(put('a', 'x'));
    bench.turn();
    expect(bench.close(1)).toBe(false);
    expect(bench.close(1, 'no-op')).toBe(false);
    expect(bench.turn()).toEqual([]);
  });
});

describe('operations that are withdrawn while nothing can be proposed', () => {
  const MANY = 1_000;

  test('leave nothing behind in the queue', () => {
    const bench = new ProposerBench({ openInstances: 1 });
    bench.add(put('first', 'x'));
    bench.turn();
    for (let number = 0; number < MANY; number += 1) {
      const proposal = bench.addOne(put(`later ${number}`, 'y'));
      expect(bench.proposer.withdraw(proposal)).toBe(true);
    }
    expect(bench.proposer.waitingOperations).toBe(0);
    expect(bench.proposer.arrived.length).toBeLessThan(100);
  });

  test('leave nothing behind at the key they wait for', () => {
    const bench = new ProposerBench();
    bench.add(put('first', 'x'));
    bench.turn();
    for (let number = 0; number < MANY; number += 1) {
      const proposal = bench.addOne(put(`later ${number}`, 'x'));
      expect(bench.turn()).toEqual([]);
      expect(bench.proposer.withdraw(proposal)).toBe(true);
    }
    expect(bench.index.find('x')?.own?.held?.length).toBeLessThan(100);
    bench.close(1);
    expect(bench.turn()).toEqual([]);
    expect(bench.index.find('x')?.own).toMatchObject({ reads: 0, writes: 0, held: null, batch: null });
  });
});
