import type { ReactNode } from 'react';

export function WebhookPage(): ReactNode {
  return null;
}
