/** The provider of an attempt that no provider could be asked for; none may be called so. */
export const NOBODY = 'none';
