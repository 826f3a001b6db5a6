/** What clients and operators call, behind one gate. The folder's only door. */
export { addServices, HEALTH_SERVICES, type Services } from './services.ts';
