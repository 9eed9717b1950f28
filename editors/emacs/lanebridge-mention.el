;;; lanebridge-mention.el --- What @ means in a prompt  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; `@path', `@path:3-9', `@"a path"', `@folder/', images by their path, and
;; what the editor knows: `@buffer', `@diagnostics', `@diff'.  And completion of
;; all that, with the person's own prompts behind `/'.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'subr-x)
(require 'lanebridge-connection)

(defconst lanebridge-mention--special
  '(("buffer" . "the file in the other window")
    ("diagnostics" . "what is reported of that file")
    ("diff" . "what git has changed and not committed"))
  "What is no file.")

(defconst lanebridge-mention--pattern
  "\\(?:^\\|[ \t\n(]\\)@\\(?:\"\\([^\"\n]+\\)\"\\|\\([^ \t\n\"]+\\)\\)"
  "A mention: its path stands in quotes, or without.")

(defconst lanebridge-mention--files-max 20000
  "So many files are offered.")

(defvar lanebridge-mention--cache nil
  "Files of the folder that was asked for last: (FOLDER TIME FILES).")

(defvar lanebridge-mention-prompts nil
  "The person's prompts, as prompts/list gives them.")

;;;; What is meant

(defun lanebridge-mention--words (text)
  "What TEXT mentions."
  (let ((start 0) words)
    (while (string-match lanebridge-mention--pattern text start)
      (setq start (match-end 0))
      (push (or (match-string 1 text)
                (replace-regexp-in-string "[,;:.!?)]+\\'" "" (match-string 2 text)))
            words))
    (nreverse words)))

(defun lanebridge-mention--git (folder &rest arguments)
  "What git says in FOLDER to ARGUMENTS, or nil."
  (with-temp-buffer
    (setq default-directory (file-name-as-directory folder))
    (and (eq 0 (ignore-errors (apply #'process-file "git" nil '(t nil) nil arguments)))
         (> (buffer-size) 0)
         (buffer-string))))

(defun lanebridge-mention--range (first last)
  "Lines FIRST to LAST, from 1, as a range."
  (list :start (list :line (max 0 (1- first)) :character 0)
        :end (list :line last :character 0)))

(defun lanebridge-mention--file (word folder)
  "The input that is the file or folder WORD in FOLDER, or nil."
  (let* ((lines (string-match "\\`\\(.+?\\):\\([0-9]+\\)\\(?:-\\([0-9]+\\)\\)?\\'" word))
         (first (and lines (string-to-number (match-string 2 word))))
         (last (and lines (string-to-number (or (match-string 3 word) (match-string 2 word)))))
         (path (expand-file-name (if lines (match-string 1 word) word) folder))
         (uri (lanebridge-file-uri (directory-file-name path))))
    (cond ((not (file-exists-p path)) nil)
          ((file-directory-p path) (list :type "folder" :uri uri))
          ((string-match-p "\\.\\(png\\|jpe?g\\|gif\\|webp\\)\\'" (downcase path))
           (list :type "image" :uri uri))
          (first (list :type "file" :uri uri :range (lanebridge-mention--range first last)))
          (t (list :type "file" :uri uri)))))

(defun lanebridge-mention-inputs (text folder file)
  "The inputs that TEXT mentions, for a prompt in FOLDER.
FILE is what `@buffer' means."
  (delq nil
        (mapcar
         (lambda (word)
           (pcase word
             ("diff" (let ((diff (and folder (lanebridge-mention--git folder "diff" "HEAD"))))
                       (and diff (list :type "diff"
                                       :text (substring diff 0 (min (length diff) 262144))))))
             ("diagnostics" (and file (list :type "diagnostics"
                                            :uri (lanebridge-file-uri file))))
             ("buffer" (and file (list :type "file" :uri (lanebridge-file-uri file))))
             (_ (lanebridge-mention--file word (or folder default-directory)))))
         (lanebridge-mention--words text))))

;;;; Completion

(defun lanebridge-mention--walk (folder)
  "Files of FOLDER where git does not list them, without those that are hidden."
  (let ((files nil))
    (catch 'enough
      (dolist (file (directory-files-recursively
                     folder "\\`[^.]" nil
                     (lambda (dir) (not (string-match-p "/\\(\\.\\|node_modules\\'\\)" dir)))))
        (push (file-relative-name file folder) files)
        (when (> (length files) 5000) (throw 'enough nil))))
    (nreverse files)))

(defun lanebridge-mention-files (folder)
  "Paths of FOLDER's files, as git lists them where it can."
  (if (and (equal (nth 0 lanebridge-mention--cache) folder)
           (< (- (float-time) (nth 1 lanebridge-mention--cache)) 10))
      (nth 2 lanebridge-mention--cache)
    (let* ((listed (lanebridge-mention--git folder "ls-files" "-z" "-co" "--exclude-standard"))
           (files (if listed
                      (split-string listed "\0" t)
                    (lanebridge-mention--walk folder))))
      (setq files (seq-take files lanebridge-mention--files-max)
            lanebridge-mention--cache (list folder (float-time) files))
      files)))

(defun lanebridge-mention--candidates (folder)
  "What can stand behind @ in FOLDER."
  (append (mapcar #'car lanebridge-mention--special)
          (mapcar (lambda (file) (if (string-search " " file) (format "\"%s\"" file) file))
                  (and folder (lanebridge-mention-files folder)))))

(defun lanebridge-mention--about (word)
  "What WORD behind @ is, for the list of completions."
  (let ((about (cdr (assoc word lanebridge-mention--special))))
    (and about (concat "  " about))))

(defun lanebridge-mention-read-prompts ()
  "Ask the server for the person's prompts."
  (lanebridge-request "lanebridge/prompts/list" nil
                      (lambda (result)
                        (setq lanebridge-mention-prompts (append (plist-get result :prompts) nil)))
                      #'ignore))

(defun lanebridge-mention--about-prompt (name)
  "What the person's prompt NAME does."
  (let* ((prompt (seq-find (lambda (one) (equal (plist-get one :name) name))
                           lanebridge-mention-prompts))
         (about (plist-get prompt :description)))
    (and about (concat "  " about))))

(defun lanebridge-mention-complete (start folder)
  "Complete what is before point in a prompt that begins at START, in FOLDER.
For `completion-at-point-functions'."
  (save-excursion
    (let ((end (point)))
      (cond
       ((save-excursion (skip-chars-backward "-a-zA-Z0-9_" start)
                        (and (eq (char-before) ?/) (= (1- (point)) start)))
        (skip-chars-backward "-a-zA-Z0-9_" start)
        (list (point) end
              (mapcar (lambda (prompt) (plist-get prompt :name)) lanebridge-mention-prompts)
              :annotation-function #'lanebridge-mention--about-prompt))
       (t
        (skip-chars-backward "^@ \t\n" start)
        (when (and (eq (char-before) ?@)
                   (or (= (1- (point)) start) (memq (char-before (1- (point))) '(?\s ?\t ?\n ?\())))
          (list (point) end
                (completion-table-dynamic
                 (lambda (_) (lanebridge-mention--candidates folder)))
                :annotation-function #'lanebridge-mention--about)))))))

(provide 'lanebridge-mention)
;;; lanebridge-mention.el ends here
