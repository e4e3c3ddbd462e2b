# embed.cmake - cmake -DOUT=x.c -DTABLE=name -DFILES="a;b" -P embed.cmake
# One C array per file and a table of {file name, text, bytes}, so that model
# and kernel text ships inside the binary.
set(table "")
set(text "#include \"base/embedded.h\"\n")
foreach(f ${FILES})
  get_filename_component(name ${f} NAME)
  string(MAKE_C_IDENTIFIER ${name} id)
  file(READ ${f} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "static const char ${id}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", ${id}, sizeof ${id} - 1},\n")
endforeach()
string(APPEND text "const EmbeddedFile ${TABLE}[] = {\n${table}    {0, 0, 0}};\n")
file(WRITE ${OUT} "${text}")
