export type NotificationQueued = {
  readonly notification_id: string;
  /** The event that the notification tells of: `payment.completed`. */
  readonly about: string;
};
