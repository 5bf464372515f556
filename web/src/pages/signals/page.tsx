import type { ReactNode } from 'react';
import { useIdInPath, useSearchParts } from '../../parts/address';

export function SignalPage(): ReactNode {
  const id = useIdInPath();
  const [search, change] = useSearchParts('a', 'b');
  change({ a: 'x' });
  return `${id} ${search.b ?? ''}`;
}
