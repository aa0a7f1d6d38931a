/**
 * A property's sequences are as long as their `maxLength` allows: fast-check would otherwise end them at ten elements,
 * whatever bound a test names, and no model would get far from where it begins.
 */
import fc from 'fast-check';

fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });
