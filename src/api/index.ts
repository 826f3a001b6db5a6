/** What clients and operators call, behind one gate. The folder's only door. */
export { addServices, HEALTH_SERVICES, type Services } from './services.ts';
export { type ConnectionBytes, type Cut, WaitingBytes, type WaitingBytesOptions } from './waiting-bytes.ts';
