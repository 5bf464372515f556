/** Decimals stay text from the program to the screen: nothing here computes with them, so nothing is rounded away. */

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** Groups the digits of the whole part: `1234567.5` becomes `1,234,567.5`. What is no decimal stays as it is. */
export function grouped(decimal: string): string {
  const parts = DECIMAL.exec(decimal);
  if (parts === null) {
    return decimal;
  }
  const [, sign = '', whole = '', fraction] = parts;
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return (sign === '-' ? '−' : '') + groups + (fraction === undefined ? '' : `.${fraction}`);
}

/** -1, 0 or 1. What is no decimal counts as 0. */
export function signOf(decimal: string): -1 | 0 | 1 {
  if (!DECIMAL.test(decimal) || !/[1-9]/.test(decimal)) {
    return 0;
  }
  return decimal.startsWith('-') ? -1 : 1;
}

/** Pads the fraction to at least so many digits; never cuts one off. */
export function padded(decimal: string, digits: number): string {
  const parts = DECIMAL.exec(decimal);
  if (parts === null || digits === 0) {
    return decimal;
  }
  const [, sign = '', whole = '', fraction = ''] = parts;
  return `${sign}${whole}.${fraction.padEnd(digits, '0')}`;
}

/** An amount of money: grouped, two digits, the sign always shown where `signed`. Less than one keeps all its digits. */
export function money(decimal: string, signed = false): string {
  const plus = signed && signOf(decimal) === 1 ? '+' : '';
  return plus + grouped(padded(toCents(decimal), 2));
}

/** Rounds what is one or more, either way, half away from zero. */
function toCents(decimal: string): string {
  const [, sign = '', whole = '', fraction = ''] = DECIMAL.exec(decimal) ?? [];
  if (fraction.length <= 2 || /^0*$/.test(whole)) {
    return decimal;
  }
  const cents = BigInt(whole + fraction.slice(0, 2)) + (fraction.charAt(2) >= '5' ? 1n : 0n);
  const text = cents.toString();
  return `${sign}${text.slice(0, -2)}.${text.slice(-2)}`;
}

/** One decimal minus another, exactly. What is no decimal counts as 0. */
export function difference(one: string, other: string): string {
  const [left, right] = [DECIMAL.exec(one), DECIMAL.exec(other)];
  const digits = Math.max(left?.[3]?.length ?? 0, right?.[3]?.length ?? 0);
  const units = (parts: RegExpExecArray | null) =>
    parts === null ? 0n : BigInt(`${parts[1] === '-' ? '-' : ''}${parts[2] ?? ''}${(parts[3] ?? '').padEnd(digits, '0')}`);
  const result = units(left) - units(right);
  const text = (result < 0n ? -result : result).toString().padStart(digits + 1, '0');
  const sign = result < 0n ? '-' : '';
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** The most digits that any of some decimals has after its point: at least those of money, at most those that a chart draws. */
export function fractionDigits(decimals: readonly string[]): number {
  const digits = decimals.map((decimal) => decimal.split('.')[1]?.replace(/0+$/, '').length ?? 0);
  return Math.min(Math.max(2, ...digits), 8);
}
