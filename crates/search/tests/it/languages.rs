//! What people of each language type finds what others wrote.

use baraza_protocol::index::IndexDoc;

use crate::fixture::{Fixture, doc};

/// One record a language, with the same content, and one that has no word of a query.
fn library() -> Vec<IndexDoc> {
    vec![
        doc(1, "ar", "تدريب المزارعين", "تعلم المزارعون حفظ البذور في المكتبات وإدارة المياه"),
        doc(2, "en", "Training of farmers", "The farmers learned to store seeds in libraries"),
        doc(
            3,
            "es",
            "Formación de agricultores",
            "Organizaciones locales y canciones para la educación",
        ),
        doc(4, "fr", "Formation des agriculteurs", "Gestion de l’eau et des semences améliorées"),
        doc(5, "hi", "किसानों का प्रशिक्षण", "गाँव की महिलाओं ने पुस्तकालयों में सीखा"),
        doc(
            6,
            "pt-BR",
            "Capacitação de agricultores",
            "Organizações de mulheres e bibliotecas comunitárias",
        ),
        doc(7, "ru", "Обучение фермеров", "Библиотеки помогают учителям сельских школ"),
        doc(8, "sw", "Mafunzo", "Wakulima walijifunza kuhifadhi mbegu na kutunza ng'ombe"),
        doc(9, "sw", "Kilimo", "Tunahitaji kulima pamoja"),
        doc(10, "zh", "培训", "农民在图书馆学习种植水稻和管理水资源"),
        doc(11, "am", "ሥልጠና", "ገበሬዎች ስለ ውሃ አጠቃቀም ተማሩ፤ ፀሐይ ኃይል"),
        doc(12, "th", "อบรม", "เกษตรกรเรียนรู้การปลูกข้าว"),
        doc(13, "fr", "Rien", "Une autre histoire"),
    ]
}

#[test]
fn every_language_finds_inflected_and_plain_forms() {
    let fixture = Fixture::new(&library());
    let check = |text: &str, number: u16| {
        let found = fixture.find(text);
        assert!(found.contains(&number), "`{text}` should find {number}, not {found:?}");
    };

    // Arabic: another case, the singular, with marks, without the article, another alef.
    check("المزارعون", 1);
    check("مزارع", 1);
    check("مُزارِعين", 1);
    check("والمزارع", 1);
    check("مكتبات", 1);
    check("وادارة", 1);
    // English: singular and plural, tenses.
    check("farmer", 2);
    check("library", 2);
    check("learning", 2);
    // Spanish, Portuguese: number, and marks left out.
    check("organización", 3);
    check("organizacion", 3);
    check("canción", 3);
    check("educaciones", 3);
    check("agricultor", 3);
    check("organização", 6);
    check("mulher", 6);
    check("comunitária", 6);
    check("organizacoes", 6);
    // French: number, gender, elision with either apostrophe.
    check("agriculteur", 4);
    check("semence", 4);
    check("amélioré", 4);
    check("ameliorees", 4);
    check("eau", 4);
    check("l'eau", 4);
    check("d’eau", 4);
    // Hindi: direct and oblique forms, another spelling of the nasal.
    check("किसान", 5);
    check("महिला", 5);
    check("पुस्तकालय", 5);
    check("गांव", 5);
    // Russian: cases and numbers.
    check("фермер", 7);
    check("фермерами", 7);
    check("библиотека", 7);
    check("учителей", 7);
    check("школа", 7);
}

#[test]
fn a_hindi_word_is_found_whole_only() {
    let fixture = Fixture::new(&library());
    assert_eq!(fixture.find("प्रशिक्षण"), [5]);
    assert!(fixture.find("शिक्षण").is_empty(), "no cut at the virama");
}

#[test]
fn words_are_found_inside_sentences_without_spaces() {
    let fixture = Fixture::new(&library());
    assert_eq!(fixture.find("图书馆"), [10]);
    assert_eq!(fixture.find("水稻"), [10]);
    assert_eq!(fixture.find("\"学习种植\""), [10]);
    assert_eq!(fixture.find("ข้าว"), [12]);
}

#[test]
fn a_part_of_a_word_is_found_below_the_whole_word() {
    let fixture = Fixture::new(&library());
    assert_eq!(fixture.find("kulima"), [9, 8], "kulima before wakulima");
    assert_eq!(fixture.find("ገበሬ"), [11], "farmer in farmers");
    assert_eq!(fixture.find("ng’ombe"), [8]);
}

#[test]
fn amharic_homophones_find_one_another() {
    let fixture = Fixture::new(&library());
    assert_eq!(fixture.find("ጸሃይ"), [11]);
    assert_eq!(fixture.find("ሃይል"), [11]);
}

#[test]
fn digits_of_any_script_find_one_another() {
    let fixture =
        Fixture::new(&[doc(1, "hi", "योजना", "वर्ष २०२४"), doc(2, "ar", "خطة", "عام ٢٠٢٤")]);
    assert_eq!(fixture.find("2024").len(), 2);
    assert_eq!(fixture.find("٢٠٢٤").len(), 2);
}
