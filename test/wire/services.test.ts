/** The service definitions: what a client sends is what a server gets, and the other way round. */
import { describe, expect, it } from 'vitest';
import {
  adminService,
  kvService,
  REPLICA_STREAMS,
  replicaService,
  SNAPSHOT_CALL,
} from '../../src/wire/index.ts';

function throughRequest<Request>(
  method: { requestSerialize(value: Request): Buffer; requestDeserialize(bytes: Buffer): Request },
  request: Request,
): Request {
  return method.requestDeserialize(method.requestSerialize(request));
}

function throughResponse<Response>(
  method: { responseSerialize(value: Response): Buffer; responseDeserialize(bytes: Buffer): Response },
  response: Response,
): Response {
  return method.responseDeserialize(method.responseSerialize(response));
}

describe('KV', () => {
  const requestId = { client: Buffer.alloc(16, 7), sequence: 2 ** 53 - 1, generation: 2 ** 40 };
  const generation = 3;

  it('carries a full put', () => {
    const request = { key: Buffer.from([0, 255]), value: Buffer.from('v'), returnPrevious: true, requestId };
    expect(throughRequest(kvService.Put, request)).toEqual(request);
    const response = { version: 2 ** 40, previous: { value: Buffer.from('old'), version: 3 }, generation };
    expect(throughResponse(kvService.Put, response)).toEqual(response);
  });

  it('gives null for absent messages and empty buffers for absent bytes', () => {
    const request = { key: Buffer.alloc(0), value: Buffer.alloc(0), returnPrevious: false, requestId: null };
    expect(throughRequest(kvService.Put, request)).toEqual(request);
    expect(throughResponse(kvService.Put, { version: 1, previous: null, generation })).toEqual({
      version: 1,
      previous: null,
      generation,
    });
    expect(throughResponse(kvService.Get, { found: null, generation })).toEqual({ found: null, generation });
    const found = { value: Buffer.alloc(0), version: 1 };
    expect(throughResponse(kvService.Get, { found, generation })).toEqual({ found, generation });
  });

  it('carries a multi-get', () => {
    const keys = [Buffer.from('b'), Buffer.from([0, 255]), Buffer.from('b')];
    expect(throughRequest(kvService.MultiGet, { keys })).toEqual({ keys, stale: false });
    expect(throughRequest(kvService.MultiGet, { keys, stale: true })).toEqual({ keys, stale: true });
    const found = { value: Buffer.alloc(0), version: 2 ** 40 };
    const response = { entries: [{ found }, { found: null }, { found }], generation };
    expect(throughResponse(kvService.MultiGet, response)).toEqual(response);
    expect(throughResponse(kvService.MultiGet, { entries: [], generation })).toEqual({
      entries: [],
      generation,
    });
  });

  it('carries get and delete', () => {
    const key = Buffer.from('k');
    expect(throughRequest(kvService.Get, { key })).toEqual({ key, stale: false });
    expect(throughRequest(kvService.Get, { key, stale: true })).toEqual({ key, stale: true });
    const request = { key: Buffer.from('k'), returnPrevious: true, requestId };
    expect(throughRequest(kvService.Delete, request)).toEqual(request);
    const response = { version: 0, previous: null, generation };
    expect(throughResponse(kvService.Delete, response)).toEqual(response);
  });
});

it('KV passes the frames of its stream on as bytes', () => {
  expect(kvService.Pipeline).toMatchObject({
    path: '/epaxos.v1.KV/Pipeline',
    requestStream: true,
    responseStream: true,
  });
  const frame = Buffer.from('any bytes');
  expect(throughRequest(kvService.Pipeline, frame)).toBe(frame);
  expect(throughResponse(kvService.Pipeline, frame)).toBe(frame);
});

it('Admin carries a full status', () => {
  const response = {
    cluster: 'kafé',
    replica: 1,
    replicas: 3,
    version: '1.2.3',
    uptimeSeconds: 1.5,
    rows: [{ replica: 1, committed: 3, executed: 2, highest: 2 ** 45, pruned: 1 }],
    paths: { fast: 1, slow: 2, recovered: 3 },
    peers: [
      { replica: 2, address: 'b:1', reachable: true, roundTripMs: 0.25, droppedMessages: 7, violations: 1 },
    ],
    openInstances: 4,
    waitingOperations: 5,
    blockedInstances: 6,
    snapshot: null,
    latencies: { operations: 9, commit: [0, 2 ** 40], execute: [], executionDelay: [1] },
    process: { cpuSeconds: 0.25, residentBytes: 2 ** 33 },
    generation: 2 ** 40,
  };
  expect(throughResponse(adminService.Status, response)).toEqual(response);
  const copying = { ...response, snapshot: { source: 2, entries: 3, bytes: 2 ** 40 } };
  expect(throughResponse(adminService.Status, copying)).toEqual(copying);
  expect(throughRequest(adminService.Status, {})).toEqual({});
});

it('Replica passes frames on as bytes, on bidirectional streams, and snapshots on one request', () => {
  expect(Object.keys(replicaService).sort()).toEqual([...REPLICA_STREAMS, SNAPSHOT_CALL].sort());
  for (const [name, method] of Object.entries(replicaService)) {
    expect(method).toMatchObject({
      path: `/epaxos.v1.Replica/${name}`,
      requestStream: name !== SNAPSHOT_CALL,
      responseStream: true,
    });
    const frame = Buffer.from('any bytes');
    expect(throughRequest(method, frame)).toBe(frame);
    expect(throughResponse(method, frame)).toBe(frame);
  }
});
