;;; lanebridge-hunks.el --- Edits that wait for you, in their files  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Each hunk is an overlay on its lines, with those it takes the place
;; of above it.  Where the server says a hunk is, somebody may have typed
;; since: its lines are looked for nearby.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(require 'lanebridge-connection)
(require 'lanebridge-sync)
(require 'lanebridge-edit)

(defface lanebridge-hunk-added
  '((((class color) (min-colors 88) (background light)) :background "#ddffdd" :extend t)
    (((class color) (min-colors 88) (background dark)) :background "#1e3a1e" :extend t)
    (t :inverse-video t))
  "Lines that are new."
  :group 'lanebridge)

(defface lanebridge-hunk-removed
  '((((class color) (min-colors 88) (background light)) :background "#ffdddd" :extend t)
    (((class color) (min-colors 88) (background dark)) :background "#4a2222" :extend t)
    (t :strike-through t))
  "Lines that are gone, or would be."
  :group 'lanebridge)

(defface lanebridge-hunk-hint '((t :inherit shadow))
  "What is told beside a hunk."
  :group 'lanebridge)

(defcustom lanebridge-hunk-prefix (kbd "C-c ^")
  "The key that those of a hunk begin with, while point is in it.
It counts when the package is loaded."
  :type 'key-sequence
  :group 'lanebridge)

(defvar lanebridge-hunk-changed-hook nil
  "Run when what is pending has changed and is shown.")

(defvar lanebridge-hunk-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("y" . lanebridge-accept) ("n" . lanebridge-reject)
                     ("Y" . lanebridge-accept-file) ("N" . lanebridge-reject-file)
                     ("m" . lanebridge-amend) ("j" . lanebridge-next-hunk)
                     ("k" . lanebridge-previous-hunk) ("d" . lanebridge-diff)
                     ("s" . lanebridge-smerge)))
      (define-key map key command))
    map)
  "Keys in a hunk, behind `lanebridge-hunk-prefix'.")

(defvar lanebridge-hunk-map
  (let ((map (make-sparse-keymap)))
    (define-key map lanebridge-hunk-prefix lanebridge-hunk-command-map)
    map)
  "Keymap of hunks.")

(cl-defstruct (lanebridge-hunk (:copier nil))
  "A hunk as it is shown in a buffer."
  overlay change told)

(defvar lanebridge-hunks--pending (make-hash-table :test #'equal)
  "Changes by thread: conses of a server and a list.")

(defvar lanebridge-hunks--asked nil
  "Threads whose changes are about to be read.")

(defvar-local lanebridge-hunks--shown nil
  "Hunks of the current buffer.")
;; Another major mode leaves the overlays where they are.
(put 'lanebridge-hunks--shown 'permanent-local t)

(defun lanebridge-hunks--changes ()
  "All changes that are pending."
  (apply #'append (mapcar #'cdr (hash-table-values lanebridge-hunks--pending))))

(defun lanebridge-hunks-count ()
  "How many hunks wait."
  (cl-loop for change in (lanebridge-hunks--changes)
           sum (length (plist-get change :hunks))))

(defun lanebridge-hunks--applied-p (change)
  "Non-nil if CHANGE is in its file already."
  (eq (plist-get change :applied) t))

(defun lanebridge-hunks--uri (change)
  "The URI of CHANGE's file, as it is called now."
  (or (and (lanebridge-hunks--applied-p change) (plist-get change :newUri))
      (plist-get change :uri)))

;;; Drawing

(defun lanebridge-hunks--lines-at-p (lines)
  "Non-nil if LINES, a vector, are what point stands before."
  (save-excursion
    (cl-every (lambda (line)
                (prog1 (and (not (and (eobp) (not (bolp))))
                            (equal line (string-remove-suffix
                                         "\r" (buffer-substring-no-properties
                                               (point) (line-end-position)))))
                  (when (> (forward-line 1) 0)
                    (end-of-line))))
              lines)))

(defun lanebridge-hunks--find (row lines)
  "Where LINES begin: at line ROW, from 0, or near it; nil: nowhere."
  (let ((try (lambda (at)
               (and (>= at 0)
                    (progn (goto-char (point-min))
                           (let ((left (forward-line at)))
                             (and (= left 0)
                                  (or (equal lines []) (lanebridge-hunks--lines-at-p lines)))))
                    (point)))))
    (save-excursion
      (if (equal lines [])
          (progn (goto-char (point-min)) (forward-line row) (point))
        (or (funcall try row)
            (cl-loop for distance from 1 to 300
                     thereis (or (funcall try (- row distance))
                                 (funcall try (+ row distance)))))))))

(defun lanebridge-hunks--ghost (lines face)
  "LINES, which are not in the buffer, as a text in FACE."
  (if (equal lines [])
      ""
    (let ((shown (seq-take lines 200)))
      (propertize
       (concat (mapconcat #'identity shown "\n") "\n"
               (if (> (length lines) 200) (format "… %d more lines\n" (- (length lines) 200)) ""))
       'face face 'cursor nil))))

(defun lanebridge-hunks--label (change told)
  "A line that says what the hunk TOLD of CHANGE does to the file as a whole."
  (propertize (format "%s: %s\n"
                      (if (equal (plist-get told :kind) "create") "new file"
                        (plist-get told :kind))
                      (plist-get change :path))
              'face 'lanebridge-hunk-hint))

(defun lanebridge-hunks--place (change told)
  "Show the hunk TOLD of CHANGE in the current buffer, if its lines are there."
  (let* ((applied (lanebridge-hunks--applied-p change))
         (whole (not (equal (plist-get told :kind) "lines")))
         (here (plist-get told (if applied :new :old)))
         (gone (plist-get told (if applied :old :new)))
         (row (1- (max 1 (or (plist-get told (if applied :newStart :oldStart)) 1))))
         (beg (lanebridge-hunks--find row here)))
    (when beg
      (let* ((end (save-excursion (goto-char beg)
                                  (forward-line (length here))
                                  (point)))
             (overlay (make-overlay beg end nil t nil)))
        (overlay-put overlay 'lanebridge-hunk t)
        (overlay-put overlay 'keymap lanebridge-hunk-map)
        (overlay-put overlay 'help-echo "Lanebridge: a hunk that waits for you")
        (unless whole
          (overlay-put overlay 'face (if applied 'lanebridge-hunk-added 'lanebridge-hunk-removed)))
        (if applied
            (overlay-put overlay 'before-string
                         (if whole (lanebridge-hunks--label change told)
                           (lanebridge-hunks--ghost gone 'lanebridge-hunk-removed)))
          (overlay-put overlay 'after-string
                       (if whole (lanebridge-hunks--label change told)
                         (lanebridge-hunks--ghost gone 'lanebridge-hunk-added))))
        (push (make-lanebridge-hunk :overlay overlay :change change :told told)
              lanebridge-hunks--shown)))))

(defun lanebridge-hunks--clear ()
  "Show no hunks in the current buffer."
  (dolist (hunk lanebridge-hunks--shown)
    (delete-overlay (lanebridge-hunk-overlay hunk)))
  (setq lanebridge-hunks--shown nil))

(defun lanebridge-hunks--draw ()
  "Show what is pending in the current buffer."
  (lanebridge-hunks--clear)
  (let ((uri (lanebridge-sync-uri)))
    (save-restriction
      (widen)
      (dolist (change (lanebridge-hunks--changes))
        (when (or (equal (lanebridge-hunks--uri change) uri)
                  (equal (lanebridge-uri-file (lanebridge-hunks--uri change)) buffer-file-name))
          (seq-doseq (told (plist-get change :hunks))
            (lanebridge-hunks--place change told)))))))

(defun lanebridge-hunks--draw-all ()
  "Show what is pending in all buffers."
  (dolist (buffer lanebridge-sync--buffers)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (lanebridge-hunks--draw))))
  (lanebridge-hunks--refresh-list)
  (force-mode-line-update t)
  (run-hooks 'lanebridge-hunk-changed-hook))

(defun lanebridge-hunks--opened ()
  "The current buffer was opened: what is pending is shown in it."
  (when (> (hash-table-count lanebridge-hunks--pending) 0)
    (lanebridge-hunks--draw)))

;;; Reading

(defun lanebridge-hunks--take (id changes)
  "CHANGES are what is pending of the thread ID."
  (let ((pending (mapcar (lambda (change)
                           (plist-put (copy-sequence change) :hunks
                                      (seq-filter (lambda (told)
                                                    (equal (plist-get told :state) "pending"))
                                                  (plist-get change :hunks))))
                         changes)))
    (if pending
        (puthash id (cons (lanebridge-server) pending) lanebridge-hunks--pending)
      (remhash id lanebridge-hunks--pending))
    (lanebridge-hunks--draw-all)))

(defun lanebridge-hunks-read (id)
  "Read what is pending of the thread ID; news that come in a row are one reading."
  (unless (member id lanebridge-hunks--asked)
    (push id lanebridge-hunks--asked)
    (let ((server (lanebridge-server)))
      (run-at-time 0.02 nil
                   (lambda ()
                     (setq lanebridge-hunks--asked (delete id lanebridge-hunks--asked))
                     (when (and server (eq (lanebridge-server-state server) 'ready))
                       (lanebridge--with-server server
                         (lanebridge-request
                          "lanebridge/changes/list" (list :threadId id)
                          (lambda (result)
                            (lanebridge-hunks--take id (plist-get result :changes)))
                          #'ignore))))))))

(defun lanebridge-hunks--updated (params)
  "What is pending has changed, as PARAMS say."
  (lanebridge-hunks-read (plist-get params :threadId)))

(defun lanebridge-hunks--disconnected ()
  "A server has ended, and its hunks with it."
  (maphash (lambda (id entry)
             (when (eq (car entry) lanebridge--server)
               (remhash id lanebridge-hunks--pending)))
           (copy-hash-table lanebridge-hunks--pending))
  (lanebridge-hunks--draw-all))

;;; Where they are

(defun lanebridge-hunks-here ()
  "Hunks of the current buffer, in order."
  ;; Emacs 28 tears the list that it sorts, which would be the one of those shown.
  (sort (seq-filter (lambda (hunk) (overlay-buffer (lanebridge-hunk-overlay hunk)))
                    lanebridge-hunks--shown)
        (lambda (a b)
          (< (overlay-start (lanebridge-hunk-overlay a))
             (overlay-start (lanebridge-hunk-overlay b))))))

(defun lanebridge-hunks--at (beg end)
  "Hunks whose lines are among those from BEG to END."
  (let ((from (save-excursion (goto-char beg) (line-beginning-position)))
        (to (save-excursion (goto-char end) (line-end-position))))
    (cl-remove-if-not
     (lambda (hunk)
       (let ((start (overlay-start (lanebridge-hunk-overlay hunk)))
             (stop (overlay-end (lanebridge-hunk-overlay hunk))))
         (if (= start stop)
             (<= from start (1+ to))
           (and (<= start to) (> stop from)))))
     (lanebridge-hunks-here))))

(defun lanebridge-hunks--mine ()
  "The hunks meant: those in the region, or at point; an error if there are none."
  (or (if (use-region-p)
          (lanebridge-hunks--at (region-beginning)
                                (max (region-beginning) (1- (region-end))))
        (lanebridge-hunks--at (point) (point)))
      (user-error "%s" (substitute-command-keys
                        "No hunk waits here; \\[lanebridge-next-hunk] goes to one"))))

(defun lanebridge-hunks--row (change told)
  "The line, from 1, at which the hunk TOLD of CHANGE is."
  (let* ((buffer (lanebridge-file-buffer (lanebridge-hunks--uri change)))
         (shown (and buffer
                     (cl-find told (buffer-local-value 'lanebridge-hunks--shown buffer)
                              :key #'lanebridge-hunk-told))))
    (if shown
        (with-current-buffer buffer
          (line-number-at-pos (overlay-start (lanebridge-hunk-overlay shown)) t))
      (max 1 (or (plist-get told
                            (if (lanebridge-hunks--applied-p change) :newStart :oldStart))
                 1)))))

(defun lanebridge-hunks-entries ()
  "Every hunk as (FILE ROW CHANGE TOLD), in order."
  (let (entries)
    (dolist (change (lanebridge-hunks--changes))
      (let ((file (lanebridge-uri-file (lanebridge-hunks--uri change))))
        (seq-doseq (told (plist-get change :hunks))
          (push (list file (lanebridge-hunks--row change told) change told) entries))))
    (sort entries (lambda (a b)
                    (if (equal (car a) (car b))
                        (< (nth 1 a) (nth 1 b))
                      (string< (car a) (car b)))))))

(defun lanebridge-hunks--go (step)
  "Go to the next hunk, or for STEP -1 to the previous one, through all files."
  (let* ((entries (or (lanebridge-hunks-entries) (user-error "No hunk waits")))
         (list (if (> step 0) entries (reverse entries)))
         (row (line-number-at-pos nil t))
         (later (lambda (entry)
                  (if (equal (car entry) buffer-file-name)
                      (> (* step (- (nth 1 entry) row)) 0)
                    (eq (string< (or buffer-file-name "") (car entry)) (> step 0)))))
         (target (or (cl-find-if later list) (car list))))
    (push-mark nil t)
    (unless (equal (car target) buffer-file-name)
      (find-file (car target)))
    (goto-char (point-min))
    (forward-line (1- (nth 1 target)))
    (lanebridge-say "hunk %d of %d; %s" (1+ (cl-position target entries)) (length entries)
                    (substitute-command-keys
                     "\\[lanebridge-accept] accepts, \\[lanebridge-reject] rejects"))))

;;;###autoload
(defun lanebridge-next-hunk ()
  "Go to the next hunk, through all files."
  (interactive)
  (lanebridge-hunks--go 1))

;;;###autoload
(defun lanebridge-previous-hunk ()
  "Go to the previous hunk, through all files."
  (interactive)
  (lanebridge-hunks--go -1))

;;; Deciding

(defun lanebridge-hunks-decide (verb change &optional told)
  "VERB (accept, reject) the hunk TOLD of CHANGE, or all of it."
  (let ((id (plist-get change :threadId)))
    (lanebridge-request (concat "lanebridge/changes/" verb)
                        (append (list :threadId id
                                      :turnId (plist-get change :turnId)
                                      :path (plist-get change :path))
                                (and told (list :hunk (plist-get told :index))))
                        (lambda (_) (lanebridge-hunks-read id)))))

(defun lanebridge-hunks--decide-some (verb hunks)
  "VERB HUNKS of the current buffer."
  (dolist (hunk hunks)
    (lanebridge-hunks-decide verb (lanebridge-hunk-change hunk) (lanebridge-hunk-told hunk))))

(defun lanebridge-hunks--decide-changes (verb changes)
  "VERB all of CHANGES."
  (unless changes
    (user-error "No hunk waits there"))
  (dolist (change changes)
    (lanebridge-hunks-decide verb change)))

(defun lanebridge-hunks--of-file ()
  "Changes of the current buffer's file."
  (let ((uri (lanebridge-sync-uri)))
    (cl-remove-if-not (lambda (change) (equal (lanebridge-hunks--uri change) uri))
                      (lanebridge-hunks--changes))))

;;;###autoload
(defun lanebridge-accept ()
  "Accept the hunk at point, or those in the region."
  (interactive)
  (lanebridge-hunks--decide-some "accept" (lanebridge-hunks--mine)))

;;;###autoload
(defun lanebridge-reject ()
  "Reject the hunk at point, or those in the region."
  (interactive)
  (lanebridge-hunks--decide-some "reject" (lanebridge-hunks--mine)))

;;;###autoload
(defun lanebridge-accept-file ()
  "Accept all hunks of this file."
  (interactive)
  (lanebridge-hunks--decide-changes "accept" (lanebridge-hunks--of-file)))

;;;###autoload
(defun lanebridge-reject-file ()
  "Reject all hunks of this file."
  (interactive)
  (lanebridge-hunks--decide-changes "reject" (lanebridge-hunks--of-file)))

;;;###autoload
(defun lanebridge-accept-all ()
  "Accept all hunks of all files."
  (interactive)
  (lanebridge-hunks--decide-changes "accept" (lanebridge-hunks--changes)))

;;;###autoload
(defun lanebridge-reject-all ()
  "Reject all hunks of all files."
  (interactive)
  (lanebridge-hunks--decide-changes "reject" (lanebridge-hunks--changes)))

(declare-function lanebridge-hunks--fill-list "lanebridge-review")

(defun lanebridge-hunks--refresh-list ()
  "Show what is pending in the list of hunks, if there is one."
  (let ((buffer (get-buffer "*Lanebridge hunks*")))
    (when buffer
      (with-current-buffer buffer
        (lanebridge-hunks--fill-list)))))

(lanebridge-on "lanebridge/changes/updated" #'lanebridge-hunks--updated)
(add-hook 'lanebridge-opened-hook #'lanebridge-hunks--opened)
(add-hook 'lanebridge-disconnected-hook #'lanebridge-hunks--disconnected)

(provide 'lanebridge-hunks)
;;; lanebridge-hunks.el ends here
