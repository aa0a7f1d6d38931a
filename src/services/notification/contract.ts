export { AUDITED_NOTIFICATIONS, type AuditedNotification, listAuditedNotifications } from './audit.ts';
export {
  type CardEventPlace,
  findCardNotifications,
  listCardNotifications,
  type StoredCardNotification,
} from './card-store.ts';
export type { NotificationQueued } from './events.ts';
export { notificationsModel } from './rebuild.ts';
export { listLanes, listMessages } from './webhooks/audit.ts';
export type { Message } from './webhooks/lane-store.ts';
