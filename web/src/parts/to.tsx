/** A way to another page, with what its address says besides the path. */
import { Anchor, type AnchorProps } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

interface ToProps extends AnchorProps {
  to: string;
  search?: Readonly<Record<string, string | undefined>>;
  'aria-label'?: string;
  children: ReactNode;
}

export function To({ to, search = {}, ...anchor }: ToProps) {
  // The pages read their search as text (parts/address): the router knows no shape of it.
  return <Anchor component={Link} search={search as never} to={to} {...anchor} />;
}
