/** The messages that are pasted into an alert source. */

export type Kind = 'plain' | 'strategy';
export type Purpose = 'entry' | 'part' | 'final' | 'none';

export interface Wish {
  kind: Kind;
  action: 'BUY' | 'SELL';
  purpose: Purpose;
  /** How much of the position, where the purpose is a part of it. */
  percent: string;
  /** Whether the price at which the alert fires goes along: slippage is measured against it. */
  price: boolean;
}

/** The comment that says what a signal is for; none where it says nothing. */
export function commentOf({ purpose, percent }: Pick<Wish, 'purpose' | 'percent'>): string | undefined {
  return { entry: 'ENTRY', part: `EXIT_${percent.trim()}`, final: 'EXIT_FINAL', none: undefined }[purpose];
}

/** What is wrong with the part of a position that an exit closes, in a sentence, or nothing. */
export function percentFault(percent: string): string | undefined {
  const plain = /^\d{1,3}(\.\d{1,8})?$/.test(percent.trim());
  const part = Number(percent);
  return plain && part > 0 && part <= 100 ? undefined : 'A number above 0, at most 100: 50 or 12.5 for example.';
}

/** The message, in the words of the guide. */
export function messageOf(wish: Wish): string {
  const words =
    wish.kind === 'strategy'
      ? ([
          ['action', '{{strategy.order.action}}'],
          ['comment', '{{strategy.order.comment}}'],
          ['price', wish.price ? '{{strategy.order.price}}' : undefined],
        ] as const)
      : ([
          ['action', wish.action],
          ['comment', commentOf(wish)],
          ['price', wish.price ? '{{close}}' : undefined],
        ] as const);
  const said = words.filter(([, value]) => value !== undefined);
  return `{${said.map(([name, value]) => `"${name}": "${value ?? ''}"`).join(', ')}}`;
}

/** The message as TradingView would send it: with what it puts in the places in braces. */
export function example(message: string): string {
  const values: Readonly<Record<string, string>> = {
    'strategy.order.action': 'buy',
    'strategy.order.comment': 'ENTRY',
    'strategy.order.price': '100.25',
    close: '100.25',
  };
  return message.replace(/\{\{([\w.]+)\}\}/g, (place, name: string) => values[name] ?? place);
}
