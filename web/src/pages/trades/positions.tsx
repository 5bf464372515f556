import type { ReactNode } from 'react';

export function PositionsPage(): ReactNode {
  return null;
}
