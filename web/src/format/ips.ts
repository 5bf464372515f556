/** Lists of senders that a webhook takes alerts from, checked while they are typed. The server has the last word. */

const BYTE = /^(25[0-5]|2[0-4]\d|1?\d?\d)$/;

/** The parts of a comma-separated list, without what is empty. */
export function partsOf(list: string): string[] {
  return list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A list with the word for TradingView's addresses in it. */
export function withTradingView(list: string): string {
  const parts = partsOf(list);
  return parts.some((part) => part.toLowerCase() === 'tradingview') ? list : [...parts, 'tradingview'].join(', ');
}

/** What is wrong with a list, in a sentence, or nothing. */
export function faultOf(list: string): string | undefined {
  const wrong = partsOf(list).find((part) => part.toLowerCase() !== 'tradingview' && !isSender(part));
  return wrong === undefined
    ? undefined
    : `“${wrong}” is not an IP address, a range such as 10.0.0.0/8, or the word tradingview.`;
}

function isSender(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : undefined;
  if (bits === undefined || more.length > 0) {
    return false;
  }
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

function isIpv4(text: string): boolean {
  const bytes = text.split('.');
  return bytes.length === 4 && bytes.every((byte) => BYTE.test(byte));
}

/** A browser reads an address in brackets only where it is one. */
function isIpv6(text: string): boolean {
  return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]/`);
}
