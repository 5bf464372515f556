/** The reasons that the program gives, by who gives them. The program lists them in this order. */

export const GROUPS = [
  { title: 'What the receiver answers', from: 'accepted' },
  { title: 'What comes of a signal', from: 'filled' },
  { title: 'What the API refuses', from: 'invalid_request' },
] as const;

export interface Group<Item> {
  title: string;
  items: Item[];
}

/** Divides the list where each group begins. What comes before the first group belongs to it. */
export function grouped<Item extends { code: string }>(items: readonly Item[]): Group<Item>[] {
  const groups: Group<Item>[] = GROUPS.map(({ title }) => ({ title, items: [] }));
  let current = groups[0];
  for (const item of items) {
    const begun = GROUPS.findIndex(({ from }) => from === item.code);
    current = groups[begun] ?? current;
    current?.items.push(item);
  }
  return groups.filter((group) => group.items.length > 0);
}
