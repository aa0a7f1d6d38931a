export type { NotificationQueued } from './events.ts';
