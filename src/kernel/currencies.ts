import { InvariantViolation } from './fault.ts';

declare const currencyBrand: unique symbol;
/** An active ISO 4217 code that can carry an amount: `USD`. */
export type Currency = string & { readonly [currencyBrand]: true };

/**
 * Every active code of ISO 4217, list one (currencies and funds) of 2026-01-01, that is up to amendment 180, by
 * the decimal places of its minor unit. The 13 codes without one ("N.A.": metals, XDR, XTS, XXX and the like)
 * are not here: an amount in minor units of them means nothing.
 *
 * A table of our own because the others differ: CLDR, and so `Intl`, gives the places people write (COP 0), ISO
 * the places that are settled (COP 2). To bring it up to date, compare with
 * https://www.six-group.com/en/products-services/financial-information/market-reference-data/data-standards.html
 * and mind that an exponent in use cannot change: stored amounts would change with it. A withdrawn code stays
 * for as long as accounts in it may exist.
 */
const CODES_BY_EXPONENT: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
      CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
      HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
      MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
      SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED
      VES WST XAD XCD XCG YER ZAR ZMW ZWG`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
};

const EXPONENTS: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES_BY_EXPONENT).flatMap(([exponent, codes]) =>
    codes.split(/\s+/).map((code): [string, number] => [code, Number(exponent)]),
  ),
);

/** All codes, ascending. */
export const CURRENCIES: readonly Currency[] = [...EXPONENTS.keys()].filter(isCurrency).toSorted();

/** Exactly the code: upper case, no spaces. */
export function isCurrency(text: string): text is Currency {
  return EXPONENTS.has(text);
}

/** How many decimal places the minor unit has: 2 for USD, 0 for JPY. Throws InvariantViolation if it is no currency. */
export function exponentOf(currency: Currency): number {
  const exponent = EXPONENTS.get(currency);
  if (exponent === undefined) throw new InvariantViolation(`not a currency: ${currency}`);
  return exponent;
}
