import { useText } from '../text/text'

/** Switches to the other language, which it names in that language. */
export function LanguageSwitch() {
  const { t, language, setLanguage } = useText()
  const other = language === 'ja' ? 'en' : 'ja'
  return (
    <button type="button" lang={other} onClick={() => setLanguage(other)} className="link min-h-11 px-2">
      {t('frame.other_language')}
    </button>
  )
}
