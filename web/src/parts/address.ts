/** What the address of the page says. Pages read it here and not from the router's own types, which are made of the pages. */
import { useLocation, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';

import { parseSearch } from '../format/search';

/**
 * The part of the path behind the page's list: 7 in `/webhooks/7`; not a number where it is none. The address changes
 * before the page does: while another page is on its way, this one keeps its own.
 */
export function useIdInPath(): number {
  const [, list, id] = useLocation().pathname.split('/');
  const [own, keep] = useState({ list, id });
  if (list === own.list && id !== undefined && id !== own.id) {
    keep({ list, id });
  }
  return Number(own.id);
}

export type Search<Name extends string> = Partial<Record<Name, string>>;
export type Change<Name extends string> = Partial<Record<Name, string | undefined>>;

/** The parts of the search by these names, and how to change some of them and keep the others. */
export function useSearchParts<Name extends string>(
  ...names: readonly Name[]
): [Search<Name>, (change: Change<Name>) => void] {
  const { pathname, searchStr } = useLocation();
  const navigate = useNavigate();
  const all = parseSearch(searchStr);
  const known: Search<Name> = {};
  for (const name of names) {
    const value = all[name];
    if (value !== undefined) {
      known[name] = value;
    }
  }
  const change = (parts: Change<Name>) => {
    void navigate({ to: pathname, search: { ...known, ...parts } });
  };
  return [known, change];
}

/** The page of a list that the address names, and the way to another. */
export function pagingOf(cursor: string | undefined, change: (parts: { cursor: string | undefined }) => void) {
  return {
    cursor,
    go: (to: string | undefined) => {
      change({ cursor: to });
    },
  };
}

/** The order of a list that the address names, and the way to another, which begins at the first page. */
export function sortingOf(
  sort: string | undefined,
  change: (parts: { sort: string; cursor: undefined }) => void,
) {
  return {
    sort: sort ?? 'newest',
    by: (other: string) => {
      change({ sort: other, cursor: undefined });
    },
  };
}
