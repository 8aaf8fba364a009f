/* Reads NixOS' resolution cache (docs/startup.md) in _dl_map_object of glibc's
   elf/dl-load.c, which includes this file. For measurements: written from the description of
   the note, it is neither nixpkgs' patch nor meant for use.  */

struct resolution_cache
{
  const char *data, *end;
};

static struct resolution_cache
find_resolution_cache (struct link_map *l)
{
  for (size_t i = 0; i < l->l_phnum; i++)
    {
      const ElfW(Phdr) *ph = &l->l_phdr[i];
      if (ph->p_type != PT_NOTE || ph->p_align > 4)
	continue;
      const char *at = (const char *) (l->l_addr + ph->p_vaddr);
      size_t left = ph->p_memsz;
      while (left >= sizeof (ElfW(Nhdr)))
	{
	  const ElfW(Nhdr) *note = (const void *) at;
	  size_t name = ALIGN_UP ((size_t) note->n_namesz, 4);
	  size_t desc = ALIGN_UP ((size_t) note->n_descsz, 4);
	  size_t size = sizeof *note + name + desc;
	  if (name > left || desc > left || size > left)
	    break;
	  const char *start = at + sizeof *note + name;
	  if (note->n_type == 0x63a86cb6 && note->n_namesz == 6
	      && memcmp (at + sizeof *note, "NixOS", 6) == 0
	      && note->n_descsz > 0 && start[note->n_descsz - 1] == '\0')
	    return (struct resolution_cache) { start, start + note->n_descsz };
	  at += size;
	  left -= size;
	}
    }
  return (struct resolution_cache) { NULL, NULL };
}

/* The list of places of NAME, or NULL.  */
static const char *
cached_places (struct link_map *loader, const char *name)
{
  struct resolution_cache cache = find_resolution_cache (loader);
  const char *at = cache.data;
  while (at != NULL && at < cache.end && *at != '\0')
    {
      const char *places = at + strlen (at) + 1;
      if (places >= cache.end)
	break;
      if (strcmp (at, name) == 0)
	return places;
      at = places + strlen (places) + 1;
    }
  return NULL;
}

static int
open_cached (const char *name, size_t namelen, int mode, char **realname,
	     struct filebuf *fbp, struct link_map *loader, bool *other_class)
{
  const char *places = cached_places (loader, name);
  int fd = -1;
  while (fd == -1 && places != NULL && *places != '\0')
    {
      size_t len = __strchrnul (places, ':') - places;
      char *place = len > 0 ? __strndup (places + 1, len - 1) : NULL;
      if (place == NULL)
	break;
      if (*places == '=')
	{
	  fd = open_verify (place, -1, fbp, loader, LA_SER_RUNPATH, mode,
			    other_class, false);
	  if (fd != -1)
	    *realname = place;
	  else
	    free (place);
	}
      else
	{
	  struct r_search_path_elem *dirs[2];
	  struct r_search_path_struct list = { dirs, 0 };
	  fillin_rpath (place, dirs, ":", "cache", loader->l_name, loader);
	  if (dirs[0] != NULL)
	    fd = open_path (name, namelen, mode, &list, realname, fbp, loader,
			    LA_SER_RUNPATH, other_class);
	  free (place);
	}
      places += len + (places[len] == ':');
    }
  return fd;
}
