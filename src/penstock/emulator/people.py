"""Names, words and small talk for the emulated APIs, written for them, in several languages."""

# ruff: noqa: E501, Q003, RUF001 (one language a line reads best, in its own letters)

from __future__ import annotations

import msgspec

from penstock.emulator.chance import mix

NAMES = (
    ("Amara Okafor", "en"), ("Björn Åkesson", "sv"), ("Chiara De Luca", "it"),
    ("Dawid Żółkiewski", "pl"), ("Elif Yıldırım", "tr"), ("François L'Écuyer", "fr"),
    ("Gül Şahin", "tr"), ("Hinata 木下", "ja"), ("Inês Conceição", "pt"),
    ("Jürgen Großmann", "de"), ("Katya Соколова", "ru"), ("Łucja Wąs", "pl"),
    ("Mei-Ling 陳", "zh"), ("Noor الهاشمي", "ar"), ("Óscar Núñez", "es"),
    ("Priya Raghunathan", "hi"), ("Quinn O'Neill", "en"), ("Rūta Kalniņa", "lv"),
    ("Søren Østergaard", "da"), ("Thị Hồng Nguyễn", "vi"), ("Uma \"Umi\" Bell", "en"),
    ("Václav Řehoř", "cs"), ("Wiremu Tāwhiri", "mi"), ("Ximena Ibáñez", "es"),
    ("Yael שמש", "he"), ("Zsófia Őri", "hu"), ("Ana-Maria Țurcanu", "ro"),
    ("Demba Ndiaye", "fr"), ("Eleni Παππά", "el"), ("Min-jun 서", "ko"),
)  # fmt: skip

TALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("en", ("Hi there 👋 my parcel still hasn't turned up.", "Could you look into order", "Thanks a lot, that fixed it! 🎉", "The app says \"try again\" every single time.", "It worked on Monday,\nthen it stopped.")),
    ("de", ("Guten Tag, die Rechnung stimmt leider nicht.", "Könnten Sie bitte die Bestellung prüfen", "Vielen Dank für die schnelle Hilfe 😊", "Die Größe passt mir überhaupt nicht.", "Ich warte seit Donnerstag auf Antwort.")),
    ("fr", ("Bonjour, où en est ma livraison ?", "Pourriez-vous vérifier la commande", "C'est réglé, merci à toute l'équipe 🙏", "Le bouton « payer » ne répond plus.", "J'ai déjà essayé deux fois hier soir.")),
    ("es", ("¡Hola! No puedo entrar en mi cuenta 😕", "¿Pueden revisar el pedido", "Perfecto, mil gracias por todo.", "El código caducó antes de llegar.", "Prefiero que me escriban por la mañana.")),
    ("pl", ("Dzień dobry, paczka dotarła uszkodzona 📦", "Proszę o sprawdzenie zamówienia", "Świetnie, dziękuję za pomoc!", "Żółty przycisk nic nie robi.", "Zwrot wysłałam już w zeszły piątek.")),
    ("tr", ("Merhaba, iade işlemim ne durumda?", "Şu siparişe bakabilir misiniz", "Çok teşekkürler, sorun çözüldü 👍", "Ödeme ekranı sürekli kapanıyor.", "İki gündür aynı uyarıyı görüyorum.")),
    ("ja", ("こんにちは、荷物がまだ届きません。", "注文を確認していただけますか", "とても助かりました🙇", "画面が真っ白のままです。", "昨日から何度も試しました。")),
    ("zh", ("你好，我的包裹一直没有更新。", "麻烦帮我查一下订单", "太好了，谢谢你们👏", "付款页面打不开。", "我昨天已经重试过三次了。")),
    ("ar", ("مرحبا، لم تصل الشحنة بعد.", "هل يمكنكم مراجعة الطلب", "شكرا جزيلا لكم 🌷", "الرمز لا يعمل معي.", "حاولت أكثر من مرة أمس.")),
    ("pt", ("Olá, a fatura veio em duplicado.", "Podem verificar a encomenda", "Obrigadíssima pela ajuda ❤️", "A página fica sempre em branco.", "Já tentei noutro telemóvel também.")),
    ("ru", ("Здравствуйте, не приходит письмо с кодом.", "Проверьте, пожалуйста, заказ", "Всё заработало, спасибо! 🚀", "Кнопка «Оплатить» неактивна.", "Пробовала уже с двух устройств.")),
    ("hi", ("नमस्ते, मेरा रिफ़ंड अभी तक नहीं आया।", "कृपया यह ऑर्डर देख लीजिए", "बहुत धन्यवाद 🙂", "ऐप बार-बार बंद हो जाता है।", "मैंने कल भी कोशिश की थी।")),
)  # fmt: skip

TAGS = ("billing", "delivery", "refund", "vip", "bug", "how-to", "urgent", "Rückgabe", "pré-vente", "升级")  # fmt: skip
CHANNELS = ("web", "email", "phone", "app", "whatsapp", "instagram")
SUBJECTS = ("Where is my order?", "Invoice question", "Passwort vergessen", "Demande de remboursement", "Can't log in 😤", "住所の変更", "Delivery: damaged box", "Feature idea 💡")  # fmt: skip


def text(value: str) -> bytes:
    """Write a string as JSON, without its quotes."""
    return msgspec.json.encode(value)[1:-1]


def name(bits: int) -> tuple[str, str]:
    """Pick a name and its locale."""
    return NAMES[bits % len(NAMES)]


def phrases(seed: int, count: int) -> tuple[tuple[bytes, bytes, bytes], ...]:
    """Make `count` texts as JSON, each in two halves that a number goes between, and its language."""
    made = []
    for nth in range(count):
        bits = mix(seed, nth)
        language, talk = TALK[bits % len(TALK)]
        first, last = (talk[(0, 2, 3, 4)[bits >> shift & 3]] for shift in (8, 16))
        before, after = f"{first} {talk[1]} #", f". {last}"
        if first == last:
            before, after = f"{talk[1]} #", "?"
        made.append((text(before), text(after), language.encode()))
    return tuple(made)
