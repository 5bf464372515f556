/** Whole lists, for choices and names: the API gives them page by page. */

/** The rows of a page, and of how many pages a list is read at most: who has more finds the rest by searching for it. */
export const PAGE = 200;
const PAGES = 5;

interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

type PageQuery = { limit: number; cursor?: string };

/** What the first pages of a list hold; `next_cursor` says whether there is more. */
export async function firstPages<Item>(read: (query: PageQuery) => Promise<Page<Item>>): Promise<Page<Item>> {
  let last = await read({ limit: PAGE });
  const items = [...last.items];
  for (let pages = 1; pages < PAGES && last.next_cursor !== null; pages += 1) {
    last = await read({ limit: PAGE, cursor: last.next_cursor });
    items.push(...last.items);
  }
  return { items, next_cursor: last.next_cursor };
}
