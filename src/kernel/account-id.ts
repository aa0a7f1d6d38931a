/**
 * The id of an account is the caller's own (`wal-1234`): 1 to 64 characters, letters, digits and `._:-`, not
 * beginning with punctuation. So it needs no escaping in a URL, a pointer, a CSV field or a log line. Case
 * matters. Unique per tenant.
 */
/** The `pattern` of the request schemas. */
export const ACCOUNT_ID_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$';
