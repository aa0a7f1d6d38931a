/** In the help of an option that names a tenant. */
export const BY_DEFAULT = 'by default the sandbox tenant; LASTRO_MODE=production has no default';
