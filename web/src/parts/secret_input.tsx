/** A field for a password or a key. */
import { PasswordInput, type PasswordInputProps } from '@mantine/core';

/** Says that it is wrong to those who cannot see its colour, too: the library's own does not. */
export function SecretInput(props: PasswordInputProps) {
  const wrong = props.error !== undefined && props.error !== null && props.error !== false;
  return <PasswordInput aria-invalid={wrong ? true : undefined} {...props} />;
}
