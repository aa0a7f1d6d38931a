/** Events of the notification log about webhooks. Their schemas, which are permanent, are files of `../events/`. */
export type WebhookEndpointDisabled = {
  readonly endpoint_id: string;
  readonly url: string;
  /** It answered 410, or nothing was delivered there for days. */
  readonly reason: 'gone' | 'failing';
  /** What became of the last attempt. */
  readonly detail: string;
};

/** A delivery was given up. */
export type NotificationExhausted = {
  readonly delivery_id: string;
  /** Null of the answer to a request, which is owed to a URL and no endpoint. */
  readonly endpoint_id: string | null;
  /** What it tells of: its identity, its type, its subject. */
  readonly event: string;
  readonly about: string;
  readonly subject: string;
  readonly attempts: number;
  readonly code: 'webhooks.receiver_fails' | 'webhooks.receiver_refuses' | 'webhooks.outcome_unknown';
  readonly detail: string;
};
