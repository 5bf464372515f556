/** What the address of a page says besides its path. Every part is text, as it is to the program's API. */

export function parseSearch(search: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(search));
}

/** What is empty is left out. */
export function stringifySearch(search: Record<string, unknown>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') {
      parts.set(name, value);
    }
  }
  return parts.size === 0 ? '' : `?${parts.toString()}`;
}

/** A path of this application that an address names; the overview where it names none, or somebody else's place. */
export function ownPath(address: string | undefined): string {
  return address !== undefined && /^\/(?![/\\])/.test(address) ? address : '/';
}
