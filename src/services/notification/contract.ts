export { AUDITED_NOTIFICATIONS, type AuditedNotification, listAuditedNotifications } from './audit.ts';
export type { NotificationQueued } from './events.ts';
export { notificationsModel } from './rebuild.ts';
