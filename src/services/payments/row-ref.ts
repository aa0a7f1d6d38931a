/** A row of this service by its primary key: a payment, a refund, or what is kept beside one. */
export interface RowRef {
  readonly tenant: string;
  readonly uuid: string;
}
