/**
 * The image's health check: asks the server of this container, over gRPC, whether clients can be served. That
 * takes a majority of replicas in reach. Exit code 0: yes; 1: no, with the reason on standard error.
 */
import { Client, credentials, Metadata } from '@grpc/grpc-js';

const SERVICE = 'epaxos.v1.KV';
const TIMEOUT_MS = 2500;
/** HealthCheckResponse { status: SERVING } */
const SERVING = Buffer.from([0x08, 0x01]);

const port = process.env.EPAXOS_LISTEN?.split(':').at(-1) ?? '7000';
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
client.makeUnaryRequest(
  '/grpc.health.v1.Health/Check',
  // HealthCheckRequest { service }
  (service) => Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]),
  (response) => response,
  SERVICE,
  new Metadata(),
  { deadline: Date.now() + TIMEOUT_MS },
  (error, response) => {
    const reason = error === null ? 'no majority of replicas is in reach' : error.message;
    const isServing = error === null && SERVING.equals(response);
    if (!isServing) process.stderr.write(`${reason}\n`);
    process.exit(isServing ? 0 : 1);
  },
);
