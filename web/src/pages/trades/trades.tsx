import type { ReactNode } from 'react';

export function TradesPage(): ReactNode {
  return null;
}
