import { createContext, use, useEffect, useMemo, useState, type ReactNode } from 'react'

export type Language = 'ja' | 'en'
export type TextArgs = Record<string, unknown> | unknown[]

/** Looks up a sentence of the catalogue and fills it. */
export interface Text {
  language: Language
  setLanguage: (language: Language) => void
  /** The sentence of key. An unknown key answers itself, so that it is seen. */
  t: (key: string, args?: TextArgs) => string
  /** The sentence of a code that the server sent, or of other when this build does not know it. */
  code: (prefix: string, code: string | undefined, args: TextArgs | undefined, other: string) => string
  /** The words for a code, or the code itself where it has none. */
  name: (prefix: string, code: string) => string
}

const stored = 'sekikura.language'
const Context = createContext<Text | null>(null)

const load: Record<Language, () => Promise<Record<string, string>>> = {
  ja: () => both(import('../../../text/api.ja.json'), import('../../../text/ui.ja.json')),
  en: () => both(import('../../../text/api.en.json'), import('../../../text/ui.en.json')),
}

/** The codes of the API and the words of the screens; where both name a thing, the screen's words stand. */
async function both(api: Promise<{ default: Record<string, string> }>, ui: Promise<{ default: Record<string, string> }>) {
  return { ...(await api).default, ...(await ui).default }
}

/** Replaces {name} by a value and {name|one|other} by the word for its number. */
export function fill(sentence: string, args: TextArgs | undefined, language: Language): string {
  if (!args) return sentence
  const values = args as Record<string, unknown>
  return sentence.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, other?: string) => {
    const value = values[name]
    if (value === undefined) return whole
    if (one !== undefined) return (value === 1 ? one : other) ?? ''
    return typeof value === 'number' ? value.toLocaleString(language) : String(value)
  })
}

function preferred(): Language {
  const saved = localStorage.getItem(stored)
  if (saved === 'ja' || saved === 'en') return saved
  return navigator.language.startsWith('en') ? 'en' : 'ja'
}

export function TextProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(preferred)
  const [catalogue, setCatalogue] = useState<Record<string, string>>()
  useEffect(() => {
    let current = true
    void load[language]().then((m) => {
      if (!current) return
      document.documentElement.lang = language
      setCatalogue(m)
    })
    return () => {
      current = false
    }
  }, [language])
  const text = useMemo<Text>(() => {
    const known = catalogue ?? {}
    const t: Text['t'] = (key, args) => fill(known[key] ?? key, args, language)
    return {
      language,
      setLanguage(next) {
        localStorage.setItem(stored, next)
        setLanguage(next)
      },
      t,
      code: (prefix, code, args, other) => (code && known[prefix + code] !== undefined ? t(prefix + code, args) : t(other, args)),
      name: (prefix, code) => known[prefix + code] ?? code,
    }
  }, [language, catalogue])
  if (!catalogue) return null
  return <Context value={text}>{children}</Context>
}

export function useText(): Text {
  const text = use(Context)
  if (!text) throw new Error('useText outside of TextProvider')
  return text
}
