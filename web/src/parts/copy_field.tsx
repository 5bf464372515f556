/** A text to take elsewhere. */
import { Button, CopyButton, Group, TextInput, Textarea } from '@mantine/core';

/** `rows` above one keeps the lines of a longer text. */
export function CopyField({ label, value, rows = 1 }: { label: string; value: string; rows?: number }) {
  const shape = { label, readOnly: true, value, styles: { root: { flex: 1 }, input: { fontFamily: 'monospace' } } };
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      {rows === 1 ? <TextInput {...shape} /> : <Textarea rows={rows} {...shape} />}
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Button aria-label={`Copy ${label}`} onClick={copy} variant="default">
            {copied ? 'Copied' : 'Copy'}
          </Button>
        )}
      </CopyButton>
    </Group>
  );
}
