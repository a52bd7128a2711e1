import { useText } from '../text/text'

/** Switches to the other language, which it names in that language. In the frame a phone has it in the user menu. */
export function LanguageSwitch({ always = false }: { always?: boolean }) {
  const { t, language, setLanguage } = useText()
  const other = language === 'ja' ? 'en' : 'ja'
  return (
    <button type="button" lang={other} onClick={() => setLanguage(other)} className={`link min-h-11 px-2 ${always ? '' : 'max-md:hidden'}`}>
      {t('frame.other_language')}
    </button>
  )
}
