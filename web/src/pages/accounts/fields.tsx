/** The fields that a broker's own description asks for: nothing here knows any broker. */
import { PasswordInput, Stack, Text, Textarea } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';

import type { Schemas } from '../../api/client';
import { settingOf } from '../../format/settings';

interface FieldsProps<Field, Values> {
  fields: readonly Field[];
  form: UseFormReturnType<Values>;
}

export type Texts = Record<string, string>;

/** Secrets: they are only ever in the form's own memory. */
export function CredentialFields<Values>({ fields, form }: FieldsProps<Schemas['CredentialField'], Values>) {
  return fields.map(({ name, label, required }) => (
    <PasswordInput
      autoComplete="off"
      key={form.key(`credentials.${name}`)}
      label={label}
      required={required}
      {...form.getInputProps(`credentials.${name}`)}
    />
  ));
}

export function SettingFields<Values>({ fields, form }: FieldsProps<Schemas['SettingField'], Values>) {
  return (
    <Stack>
      <Text size="sm">What is left empty gets its default.</Text>
      {fields.map(({ name, description }) => (
        <Textarea
          autosize
          description={description}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          key={form.key(`settings.${name}`)}
          label={titleOf(name)}
          minRows={1}
          {...form.getInputProps(`settings.${name}`)}
        />
      ))}
    </Stack>
  );
}

/** Every setting's text, to begin with. */
export function textsOf(fields: readonly { name: string }[], text: (name: string) => string): Texts {
  return Object.fromEntries(fields.map(({ name }) => [name, text(name)]));
}

/** Says at the field what could not be sent at all. */
export function checkTexts(settings: Texts): Texts {
  const errors: Texts = {};
  for (const [name, text] of Object.entries(settings)) {
    try {
      settingOf(text);
    } catch {
      errors[`settings.${name}`] = 'This is not written as JSON: {"name": "value"}, with the quotation marks.';
    }
  }
  return errors;
}

/** `starting_balance` reads `Starting balance`. */
function titleOf(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
