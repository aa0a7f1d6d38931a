/** Events of the notification log about webhooks. Their schemas, which are permanent, are files of `../events/`. */
export type WebhookEndpointDisabled = {
  readonly endpoint_id: string;
  readonly url: string;
  /** It answered 410, or nothing was delivered there for days. */
  readonly reason: 'gone' | 'failing';
  /** What became of the last attempt. */
  readonly detail: string;
};
