/* Manifests and the TRACE_EVENT_INFO and EVENT_MAP_INFO made of them. */
#include "format/schema/schema_files.h"

#include "format/schema/manifest.h"

#include "tests/support/schema_assert.h"

#include <errno.h>

#define GUID_TEXT "{11223344-5566-7788-0102-030405060708}"
static const etw_guid provider = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};

#define HEAD                                                                                       \
    "<?xml version='1.0'?><instrumentationManifest xmlns='urn:m'><instrumentation "                \
    "xmlns:win='urn:w' xmlns:xs='urn:x'><events>"                                                  \
    "<provider name='Prov' guid='" GUID_TEXT "' message='$(string.P)'>"
#define TAIL                                                                                       \
    "</provider></events></instrumentation><localization><resources culture='en-US'>"              \
    "<stringTable><string id='P' value='The provider'/><string id='E' value='It is %1'/>"          \
    "<string id='One' value='one'/><string id='Two' value='two'/></stringTable></resources>"       \
    "</localization></instrumentationManifest>"

typedef struct fixture {
    etw_schema_store *store;
    etw_manifest_set *set;
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self.store = etw_schema_store_new();
    self.set = etw_manifest_set_new(ETW_SCHEMA_MANIFEST, 0);
    *state = &self;
    return self.store == NULL || self.set == NULL;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    etw_manifest_set_free(self->set);
    etw_schema_store_free(self->store);
    return 0;
}

static void start_anew(void **state)
{
    (void)tear_down(state);
    assert_int_equal(set_up(state), 0);
}

static etw_status add_text(fixture *self, const char *xml, etw_error *error)
{
    const etw_bytes bytes = {(const uint8_t *)xml, strlen(xml)};
    return etw_manifest_set_add(self->set, bytes, self->store, NULL, error);
}

/* Adds a manifest whose provider holds body. */
static void add_body(fixture *self, const char *body)
{
    etw_text xml = {0};
    etw_error error = {0};
    etw_text_append_z(&xml, HEAD);
    etw_text_append_z(&xml, body);
    etw_text_append_z(&xml, TAIL);
    if (add_text(self, etw_text_z(&xml), &error) != ETW_OK) {
        fail_msg("%s\n%s", error.message, body);
    }
    etw_text_free(&xml);
}

static etw_status try_find(fixture *self, etw_event_descriptor descriptor, uint32_t pointer_size,
                           const etw_schema **schema, etw_error *error)
{
    const etw_event_record record = {
        .EventHeader = {.ProviderId = provider, .EventDescriptor = descriptor}};
    return etw_manifest_set_find(self->set, self->store, &record, pointer_size, schema, error);
}

static const etw_schema *find(fixture *self, etw_event_descriptor descriptor)
{
    const etw_schema *schema;
    etw_error error = {0};
    if (try_find(self, descriptor, 8, &schema, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
    return schema;
}

typedef struct template_case {
    const char *what;
    const char *fields;
    const char *expected;
} template_case;

#define DATA(name, in, more) "<data name='" name "' inType='win:" in "'" more "/>"

static const template_case templates[] = {
    {"default out types and lengths",
     DATA("a", "UnicodeString", "") DATA("b", "AnsiString", "") DATA("c", "Int8", "") DATA(
         "d", "UInt8", "") DATA("e", "Int16", "") DATA("f", "UInt16", "") DATA("g", "Int32", "")
         DATA("h", "UInt32", "") DATA("i", "Int64", "") DATA("j", "UInt64", ""),
     "a 1/1; b 2/1; c 3/3 length=1; d 4/4 length=1; e 5/5 length=2; f 6/6 length=2; "
     "g 7/7 length=4; h 8/8 length=4; i 9/9 length=8; j 10/10 length=8"},
    {"the other types",
     DATA("a", "Float", "") DATA("b", "Double", "") DATA("c", "Boolean", "") DATA("d", "GUID", "")
         DATA("e", "Pointer", "") DATA("f", "FILETIME", "") DATA("g", "SYSTEMTIME", "")
             DATA("h", "SID", "") DATA("i", "HexInt32", "") DATA("j", "HexInt64", "")
                 DATA("k", "CountedUnicodeString", "") DATA("l", "CountedAnsiString", "")
                     DATA("m", "CountedBinary", ""),
     "a 11/11 length=4; b 12/12 length=8; c 13/13 length=4; d 15/14 length=16; e 16/19 length=8; "
     "f 17/2 length=8; g 18/2 length=16; h 19/1; i 20/18 length=4; j 21/19 length=8; k 22/1; "
     "l 23/1; m 25/15"},
    {"out types, whatever their prefix and case",
     DATA("a", "UInt32", " outType='win:PID'") DATA("b", "UInt32", " outType='xs:HexInt32'")
         DATA("c", "UInt16", " outType='win:Port'") DATA("d", "UInt32", " outType='win:hexInt32'")
             DATA("e", "AnsiString", " outType='win:Utf8'"),
     "a 8/20 length=4; b 8/18 length=4; c 6/22 length=2; d 8/18 length=4; e 2/35"},
    {"length and count as numbers",
     DATA("a", "UnicodeString", " length='16'") DATA("b", "Binary", " length='6'")
         DATA("c", "UInt32", " count='3'") DATA("d", "Binary", " outType='win:IPv6'"),
     "a 1/1 flags=0x10 length=16; b 14/15 flags=0x10 length=6; c 8/8 flags=0x20 count=3 length=4; "
     "d 14/24 length=16"},
    {"length and count from fields",
     DATA("n", "UInt16", "") DATA("a", "Binary", " length='n'") DATA("b", "UInt32", " count='n'")
         DATA("c", "UnicodeString", " length='n' count='n'"),
     "n 6/6 length=2; a 14/15 length<-0; b 8/8 count<-0 length=4; c 1/1 count<-0 length<-0"},
    {"a field whose name PerfView wrote without its spaces",
     DATA("HashSize", "UInt32", "") DATA("Hash", "Binary", " length='Hash Size'"),
     "HashSize 8/8 length=4; Hash 14/15 length<-0"},
    {"the nearest field of that name",
     DATA("n", "UInt8", "") DATA("n", "UInt16", "") DATA("a", "Binary", " length='n'"),
     "n 4/4 length=1; n 6/6 length=2; a 14/15 length<-1"},
    {"a struct, counted, whose member counts another",
     DATA("Count", "UInt32", "") "<struct name='Values' count='Count'>" DATA("n", "UInt8", "")
         DATA("p", "UInt64", " count='n'") "</struct>" DATA("z", "UInt8", ""),
     "Count 8/8 length=4; Values struct(3+2) count<-0; z 4/4 length=1; n 4/4 length=1; "
     "p 10/10 count<-3 length=8"},
    {"a member counted by a field outside",
     DATA("n", "UInt8", "") "<struct name='s'>" DATA("p", "UInt64", " count='n'") "</struct>",
     "n 4/4 length=1; s struct(2+1); p 10/10 count<-0 length=8"},
    {"a field counted by a struct's member",
     "<struct name='s'>" DATA("n", "UInt8", "") "</struct>" DATA("p", "UInt64", " count='n'"),
     "s struct(2+1); p 10/10 count<-2 length=8; n 4/4 length=1"},
    {"structs in structs",
     "<struct name='s'><struct name='t'>" DATA("n", "UInt8", "") "</struct>" DATA("m", "UInt8",
                                                                                  "") "</struct>",
     "s struct(1+2); t struct(3+1); m 4/4 length=1; n 4/4 length=1"},
    {"tags and maps", DATA("a", "UInt32", " map='M' tags='0x12'"),
     "a 8/8 length=4 map=M tags=0x12"},
    {"the form of its XML is passed over",
     DATA("a", "UInt32", "") "<UserData><data name='x' inType='win:UInt8'/><event/></UserData>",
     "a 8/8 length=4"},
};

static void makes_properties_of_templates(void **state)
{
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        start_anew(state);
        etw_text body = {0};
        etw_text_printf(&body,
                        "<events><event value='1' template='T'/></events>"
                        "<templates><template tid='T'>%s</template></templates>",
                        templates[i].fields);
        add_body(*state, etw_text_z(&body));
        etw_text_free(&body);
        const etw_schema *schema = find(*state, (etw_event_descriptor){.Id = 1});
        assert_non_null(schema);
        etw_text text = {0};
        append_properties(&text, schema->tei);
        if (strcmp(etw_text_z(&text), templates[i].expected) != 0) {
            fail_msg("%s:\n%s\nis not\n%s", templates[i].what, etw_text_z(&text),
                     templates[i].expected);
        }
        etw_text_free(&text);
    }
}

static void names_what_the_record_says(void **state)
{
    fixture *self = *state;
    add_body(self,
             "<channels><importChannel chid='S' name='System'/>"
             "<channel chid='A' name='Prov/Analytic'/><channel chid='B' name='Prov/B'/></channels>"
             "<levels><level name='Mine' value='16'/></levels>"
             "<keywords><keyword name='K1' mask='0x1'/><keyword name='K2' mask='0x2'/></keywords>"
             "<tasks><task name='T' value='7' eventGUID='" GUID_TEXT "'><opcodes>"
             "<opcode name='OfT' value='20'/></opcodes></task></tasks>"
             "<opcodes><opcode name='Any' value='20'/></opcodes>"
             "<events><event value='1' version='2' level='win:Error' opcode='win:Start' name='N' "
             "message='$(string.E)' keywords='K1 win:ResponseTime'/></events>");
    assert_null(find(self, (etw_event_descriptor){.Id = 1}));
    const etw_schema *schema =
        find(self, (etw_event_descriptor){.Id = 1,
                                          .Version = 2,
                                          .Level = 2,
                                          .Task = 7,
                                          .Opcode = 20,
                                          .Channel = 16,
                                          .Keyword = UINT64_C(0x8001000000000003)});
    assert_event(schema->tei, "source=0 flags=0x0 properties=0/0 event=" GUID_TEXT
                              " provider=Prov level=win:Error channel=Prov/Analytic "
                              "keywords=K1,K2,win:ResponseTime task=T opcode=OfT "
                              "message=It is %1  provider_message=The provider  name=N");
    schema = find(
        self, (etw_event_descriptor){
                  .Id = 1, .Version = 2, .Level = 16, .Opcode = 20, .Channel = 8, .Keyword = 2});
    assert_event(schema->tei, "source=0 flags=0x0 properties=0/0 provider=Prov level=Mine "
                              "channel=System keywords=K2 opcode=Any message=It is %1  "
                              "provider_message=The provider  name=N");
    /* Predefined names count where some event of the provider uses them. */
    schema =
        find(self,
             (etw_event_descriptor){.Id = 1, .Version = 2, .Level = 4, .Opcode = 1, .Channel = 17});
    assert_event(schema->tei, "source=0 flags=0x0 properties=0/0 provider=Prov channel=Prov/B "
                              "opcode=win:Start message=It is %1  "
                              "provider_message=The provider  name=N");
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "Prov");
}

static void names_nothing_by_what_perfview_made_up(void **state)
{
    fixture *self = *state;
    start_anew(state);
    add_body(
        self,
        "<keywords><keyword name='keyword_8' mask='0x8' message='$(string.keyword_keyword_8)'/>"
        "<keyword name='Real' mask='0x4'/></keywords>"
        "<tasks><task name='task_0' value='0' message='$(string.task_task_0)'><opcodes>"
        "<opcode name='opcode_64' value='64' message='$(string.opcode_task_0opcode_64)'/>"
        "</opcodes></task><task name='task_5' value='5' message='Five'/></tasks>"
        "<events><event value='1' task='task_0' opcode='opcode_64' keywords='keyword_8 Real'/>"
        "<event value='2' task='task_5'/></events>");
    assert_event(find(self, (etw_event_descriptor){.Id = 1, .Opcode = 64, .Keyword = 12})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=Prov keywords=Real "
                 "provider_message=The provider ");
    assert_event(find(self, (etw_event_descriptor){.Id = 2, .Task = 5})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=Prov task=task_5 "
                 "provider_message=The provider ");
}

typedef struct message_case {
    const char *source;
    const char *expected; /* in the escapes of append_event */
} message_case;

static const message_case messages[] = {
    {"plain", "plain "},
    {"a%nb", "a\\r\\nb "},
    {"a%tb%rc%bd", "a\\tb\\rc d "},
    {"%1 %2!x! %% %. %!", "%1 %2!x! %% %. %! "},
    {"a&#13;&#10;b&#10;c", "a b c "},
    {"cut%0 here", "cut "},
    {"%", "% "},
    {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F "},
};

static void loads_messages_as_windows_does(void **state)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        start_anew(state);
        etw_text body = {0}, expected = {0};
        etw_text_printf(&body, "<events><event value='1' message='%s'/></events>",
                        messages[i].source);
        add_body(*state, etw_text_z(&body));
        etw_text_printf(&expected,
                        "source=0 flags=0x0 properties=0/0 provider=Prov message=%s "
                        "provider_message=The provider ",
                        messages[i].expected);
        assert_event(find(*state, (etw_event_descriptor){.Id = 1})->tei, etw_text_z(&expected));
        etw_text_free(&body);
        etw_text_free(&expected);
    }
}

static void makes_maps(void **state)
{
    fixture *self = *state;
    add_body(self, "<maps><valueMap name='V'><map value='1' message='$(string.One)'/>"
                   "<map value='0x2' message='$(string.Two)'/></valueMap>"
                   "<bitMap name='B'><map value='0x10' message='$(string.One)'/>"
                   "<map value='0x20' message='$(string.Missing)'/></bitMap></maps>"
                   "<templates><template tid='T'>" DATA("a", "UInt32", " map='V'")
                       DATA("b", "UInt32", " map='B'") DATA("c", "UInt32", " map='V'")
                           DATA("d", "UInt32",
                                " map='None'") "</template></templates>"
                                               "<events><event value='1' template='T'/></events>");
    const etw_schema *schema = find(self, (etw_event_descriptor){.Id = 1});
    assert_int_equal(schema->map_count, 2);
    assert_map(schema->maps[0], "V flag=1: 0x1=one ; 0x2=two ");
    assert_map(schema->maps[1], "B flag=2: 0x10=one ; 0x20= ");
}

static void prefers_english_strings(void **state)
{
    fixture *self = *state;
    etw_error error = {0};
    assert_int_equal(
        add_text(self,
                 "<m><provider name='P' guid='" GUID_TEXT "'><events>"
                 "<event value='1' message='$(string.A)'/><event value='2' message='$(string.B)'/>"
                 "</events></provider>"
                 "<resources culture='de-DE'><stringTable><string id='A' value='eins'/>"
                 "<string id='B' value='zwei'/></stringTable></resources>"
                 "<resources culture='en-US'><stringTable><string id='A' value='one'/>"
                 "</stringTable></resources>"
                 "<resources culture='fr-FR'><stringTable><string id='A' value='un'/>"
                 "<string id='B' value='deux'/></stringTable></resources></m>",
                 &error),
        ETW_OK);
    assert_event(find(self, (etw_event_descriptor){.Id = 1})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=P message=one ");
    assert_event(find(self, (etw_event_descriptor){.Id = 2})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=P message=zwei ");
}

static void follows_the_pointer_size_of_the_record(void **state)
{
    fixture *self = *state;
    const etw_schema *schema;
    add_body(self, "<templates><template tid='T'>" DATA(
                       "p", "Pointer", "") "</template></templates>"
                                           "<events><event value='1' template='T'/></events>");
    assert_int_equal(try_find(self, (etw_event_descriptor){.Id = 1}, 4, &schema, NULL), ETW_OK);
    assert_properties(schema->tei, "p 16/19 length=4");
    assert_int_equal(try_find(self, (etw_event_descriptor){.Id = 1}, 8, &schema, NULL), ETW_OK);
    assert_properties(schema->tei, "p 16/19 length=8");
}

static void keeps_the_first_description_of_an_event(void **state)
{
    fixture *self = *state;
    uint32_t added;
    static const char second[] =
        "<m><provider name='Other' guid='" GUID_TEXT "'><events><event value='1' name='second'/>"
        "<event value='2'/></events></provider></m>";
    add_body(self, "<events><event value='1' name='first'/><event value='1' name='x'/></events>");
    assert_int_equal(etw_manifest_set_add(self->set,
                                          (etw_bytes){(const uint8_t *)second, sizeof second - 1},
                                          self->store, &added, NULL),
                     ETW_OK);
    assert_int_equal(added, 1);
    assert_event(find(self, (etw_event_descriptor){.Id = 1})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=Prov "
                 "provider_message=The provider  name=first");
    assert_event(find(self, (etw_event_descriptor){.Id = 2})->tei,
                 "source=0 flags=0x0 properties=0/0 provider=Other");
}

static void derives_the_guid_that_a_manifest_lacks(void **state)
{
    fixture *self = *state;
    assert_int_equal(add_text(self, "<m><provider name='MySource'/></m>", NULL), ETW_OK);
    const etw_guid derived = etw_guid_from_provider_name("MySource");
    assert_string_equal(etw_schema_store_provider_name(self->store, &derived), "MySource");
}

typedef struct failure_case {
    const char *xml;
    etw_status status;
    const char *message;
} failure_case;

static const failure_case failures[] = {
    {"", ETW_ERROR_DAMAGED, "line 1: no element found"},
    {"no xml", ETW_ERROR_DAMAGED, "line 1: syntax error"},
    {"<a>\n<b></a>", ETW_ERROR_DAMAGED, "line 2: mismatched tag"},
    {"<a/>", ETW_ERROR_NOT_THIS, "no provider in it"},
    {"<a><provider guid='nonsense'/></a>", ETW_ERROR_DAMAGED,
     "line 1: provider without a valid guid"},
    {"<a><provider/></a>", ETW_ERROR_DAMAGED, "line 1: provider without a valid guid"},
    {"<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;'>]><a>&c;</a>", ETW_ERROR_DAMAGED,
     "line 1: document type declarations are not accepted"},
    {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", ETW_ERROR_DAMAGED,
     "line 1: document type declarations are not accepted"},
};

static void says_what_is_wrong_with_a_manifest(void **state)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        etw_error error = {0};
        assert_int_equal(add_text(*state, failures[i].xml, &error), failures[i].status);
        assert_string_equal(error.message, failures[i].message);
    }
}

static const failure_case bad_templates[] = {
    {DATA("a", "NoSuchType", ""), ETW_ERROR_DAMAGED,
     "Prov event 1 version 0: an inType is missing or unknown"},
    {DATA("a", "Binary", " length='later'") DATA("later", "UInt8", ""), ETW_ERROR_DAMAGED,
     "Prov event 1 version 0: a refers to later, which is not before it"},
};

static void a_bad_template_costs_only_its_events(void **state)
{
    for (size_t i = 0; i < sizeof bad_templates / sizeof bad_templates[0]; i++) {
        start_anew(state);
        const etw_schema *schema;
        etw_error error = {0};
        etw_text body = {0};
        etw_text_printf(&body,
                        "<templates><template tid='T'>%s</template></templates><events>"
                        "<event value='1' template='T'/><event value='2'/>"
                        "<event value='3' template='none'/></events>",
                        bad_templates[i].xml);
        add_body(*state, etw_text_z(&body));
        etw_text_free(&body);
        assert_int_equal(try_find(*state, (etw_event_descriptor){.Id = 1}, 8, &schema, &error),
                         bad_templates[i].status);
        assert_string_equal(error.message, bad_templates[i].message);
        assert_properties(find(*state, (etw_event_descriptor){.Id = 2})->tei, "");
        assert_int_equal(try_find(*state, (etw_event_descriptor){.Id = 3}, 8, &schema, &error),
                         ETW_ERROR_DAMAGED);
    }
}

static void bounds_depth_and_memory(void **state)
{
    etw_text deep = {0};
    etw_error error = {0};
    for (uint32_t i = 0; i <= ETW_MANIFEST_MAX_XML_DEPTH; i++) {
        etw_text_append_z(&deep, "<a>");
    }
    assert_int_equal(add_text(*state, etw_text_z(&deep), &error), ETW_ERROR_LIMIT);
    etw_text_free(&deep);

    fixture small = {.store = etw_schema_store_new(),
                     .set = etw_manifest_set_new(ETW_SCHEMA_MANIFEST, 4096)};
    etw_text many = {0};
    etw_text_append_z(&many, HEAD "<events>");
    for (uint32_t i = 0; i < 1000; i++) {
        etw_text_printf(&many, "<event value='%u'/>", i);
    }
    etw_text_append_z(&many, "</events>" TAIL);
    assert_int_equal(add_text(&small, etw_text_z(&many), &error), ETW_ERROR_LIMIT);
    etw_text_free(&many);
    etw_manifest_set_free(small.set);
    etw_schema_store_free(small.store);
}

static void reads_utf16(void **state)
{
    static const char ascii[] = "<?xml version='1.0' encoding='utf-16'?><m><provider name='Wide' "
                                "guid='" GUID_TEXT "'/></m>";
    uint8_t wide[2 * sizeof ascii] = {0xFF, 0xFE};
    fixture *self = *state;
    for (size_t i = 0; i + 1 < sizeof ascii; i++) {
        wide[2 * i + 2] = (uint8_t)ascii[i];
    }
    assert_int_equal(
        etw_manifest_set_add(self->set, (etw_bytes){wide, sizeof wide}, self->store, NULL, NULL),
        ETW_OK);
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "Wide");
}

/* A folder "man" in memory. */
typedef struct memory_file {
    const char *path;
    const char *content;
} memory_file;

static const memory_file memory_files[] = {
    {"man/b.man", "<m><provider name='b' guid='" GUID_TEXT "'/></m>"},
    {"man/bad.MAN", "<m"},
    {"man/notes.xml", "<notes/>"},
    {"man/c.txt", "not looked at"},
    {"man/a.xml", "<m><provider name='a' guid='" GUID_TEXT "'/></m>"},
};
enum { MEMORY_FILE_COUNT = sizeof memory_files / sizeof memory_files[0] };

static int memory_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    assert_int_equal(mode, ETW_OPEN_READ);
    for (int i = 0; i < MEMORY_FILE_COUNT; i++) {
        if (strcmp(memory_files[i].path, path) == 0) {
            return i;
        }
    }
    return -ENOENT;
}

/* Three bytes at a time, as a slow disk may do. */
static int64_t memory_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    const char *content = memory_files[file].content;
    const size_t left = strlen(content) - (size_t)offset;
    size_t count = left < 3 ? left : 3;
    (void)context;
    count = count < size ? count : size;
    memcpy(into, content + offset, count);
    return (int64_t)count;
}

static int64_t memory_size(void *context, int file)
{
    (void)context;
    return (int64_t)strlen(memory_files[file].content);
}

static int memory_kind(void *context, const char *path)
{
    (void)context;
    return strchr(path, '.') == NULL ? ETW_PATH_FOLDER : ETW_PATH_FILE;
}

static int memory_close(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static int memory_list(void *context, const char *path, void (*take)(void *into, const char *name),
                       void *into)
{
    (void)context;
    if (strcmp(path, "man") != 0) {
        return -ENOTDIR;
    }
    take(into, ".");
    for (int i = 0; i < MEMORY_FILE_COUNT; i++) {
        take(into, memory_files[i].path + sizeof "man/" - 1);
    }
    return 0;
}

static void note_message(void *context, const char *message)
{
    etw_text_printf(context, "[%s]", message);
}

/* The files' source, or the failure in error; notes gets what is wrong in folders. */
static etw_status open_files(fixture *self, const char *path, etw_text *notes, etw_error *error)
{
    const etw_os os = {.open = memory_open,
                       .read_at = memory_read_at,
                       .size = memory_size,
                       .kind = memory_kind,
                       .close = memory_close,
                       .list = memory_list};
    const etw_resolver_options options = {.manifest_paths = &path,
                                          .manifest_path_count = 1,
                                          .os = &os,
                                          .note = note_message,
                                          .note_context = notes};
    etw_schema_source *source;
    const etw_status status = etw_schema_files_new(&options, NULL, self->store, &source, error);
    if (status == ETW_OK) {
        source->free(source);
    }
    return status;
}

static void reads_files_and_folders(void **state)
{
    fixture *self = *state;
    etw_text notes = {0};
    etw_error error = {0};
    assert_int_equal(open_files(self, "man", &notes, &error), ETW_OK);
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "a");
    assert_string_equal(etw_text_z(&notes), "[man/bad.MAN: line 1: unclosed token]");
    assert_int_equal(open_files(self, "man/notes.xml", &notes, &error), ETW_ERROR_NOT_THIS);
    assert_string_equal(error.message, "man/notes.xml: no provider in it");
    assert_int_equal(open_files(self, "man/bad.MAN", &notes, &error), ETW_ERROR_DAMAGED);
    assert_int_equal(open_files(self, "none.man", &notes, &error), ETW_ERROR_NOT_FOUND);
    assert_int_equal(open_files(self, "man/a.xml", &notes, NULL), ETW_OK);
    etw_text_free(&notes);
}

static void count_name(void *into, const char *name)
{
    *(int *)into += strcmp(name, ".") == 0;
}

static void the_operating_system_lists_folders(void **state)
{
    const etw_os *os = etw_os_default();
    int dots = 0;
    (void)state;
    assert_int_equal(os->list(os->context, ".", count_name, &dots), 0);
    assert_int_equal(dots, 1);
    assert_true(os->list(os->context, "no such folder", count_name, &dots) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_properties_of_templates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_what_the_record_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_nothing_by_what_perfview_made_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(loads_messages_as_windows_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefers_english_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follows_the_pointer_size_of_the_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_the_first_description_of_an_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(derives_the_guid_that_a_manifest_lacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_template_costs_only_its_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_depth_and_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_utf16, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_files_and_folders, set_up, tear_down),
        cmocka_unit_test(the_operating_system_lists_folders),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
